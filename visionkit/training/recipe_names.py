"""The names of the recipes by task, as `visionkit train` has them, and their files without the suffix."""

RECIPES = {
    "classification": "transfer_learning",
    "detection": "yolo_detection",
    "segmentation": "unet_segmentation",
    "verification": "facenet_verification",
    "style": "style_transfer",
    "localization": "localization",
    "from-scratch": "classic_convnets",
    "signals": "signals_and_volumes",
}


def command_of(file: str) -> str:
    """The command that runs a recipe: "visionkit train detection" for "yolo_detection"."""
    return next((f"visionkit train {name}" for name, recipe in RECIPES.items() if recipe == file), f"recipes/{file}.py")
