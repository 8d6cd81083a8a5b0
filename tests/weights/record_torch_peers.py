"""Records the outputs of the networks of torchvision, timm and facenet-pytorch, so that the tests need none of them.

Run ``python tests/weights/record_torch_peers.py`` where they are installed; the last time: 0.29, 1.0.31 and 2.6, torch 2.15.
"""

import json

import facenet_pytorch
import timm
import torch
import torchvision
from torch_peers import FACENET, LOGITS, RECORD, draw, pixels

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
FACENET_MEAN, FACENET_DEVIATION = (127.5 / 255,) * 3, (128 / 255,) * 3
PEERS = {  # library and network, and the sides in pixels of its inputs: odd ones show where the padding is
    "torchvision resnet18": (64, 65),
    "torchvision resnet50": (65,),
    "torchvision mobilenet_v2": (64, 65),
    "torchvision efficientnet_b0": (64, 65),
    "torchvision googlenet": (64, 65),
    "torchvision squeezenet1_1": (64, 65),
    "torchvision alexnet": (64, 65),
    "torchvision vgg11": (64, 65),
    "timm mobilenetv2_100": (64, 65),
    "timm efficientnet_b0": (64, 65),
    "timm tf_efficientnet_b0": (64, 65),
    FACENET: (80, 97),
}


def build(name: str) -> torch.nn.Module:
    library, network = name.split()
    if library == "timm":
        return timm.create_model(network)
    if name == FACENET:
        return facenet_pytorch.InceptionResnetV1()
    options = {"transform_input": True, "init_weights": False} if network == "googlenet" else {}
    return getattr(torchvision.models, network)(**options)


def compact(state_dict: dict[str, torch.Tensor]) -> dict:
    """The inverse of ``torch_peers.state_dict``, without the numbers."""
    prefixes = {}
    for key, tensor in state_dict.items():
        prefix, part = key.rsplit(".", 1)
        if part in ("weight", "bias"):
            prefixes.setdefault(prefix, []).append(list(tensor.shape))
        elif part == "running_mean":
            prefixes[prefix] = len(tensor)
    return prefixes


@torch.no_grad()
def record(name: str, sides: tuple[int, ...]) -> dict:
    network = build(name).eval()
    shapes = compact(network.state_dict())
    network.load_state_dict({key: torch.from_numpy(draw(key, list(t.shape))) for key, t in network.state_dict().items()})
    if name.split()[1] in ("vgg11", "alexnet"):  # their heads have tens of millions of weights: the map before will do
        network = network.features
        shapes = {prefix: shape for prefix, shape in shapes.items() if prefix.startswith("features.")}
    mean, deviation = (FACENET_MEAN, FACENET_DEVIATION) if name == FACENET else (MEAN, DEVIATION)
    outputs = {}
    for side in sides:
        scaled = (torch.from_numpy(pixels(side)) / 255 - torch.tensor(mean)) / torch.tensor(deviation)
        output = network(scaled.permute(0, 3, 1, 2))
        output = output.mean((2, 3)) if output.ndim == 4 else output
        print(f"{name:30} {side} deviation {output.std():.3g}, largest {output.abs().max():.3g}, {output.shape[1]} outputs")
        outputs[side] = [[float(f"{number:.6g}") for number in row[:LOGITS]] for row in output]
    return {"state_dict": shapes, "logits": outputs}


if __name__ == "__main__":
    rows = [f'"{name}": {json.dumps(record(name, sides), separators=(",", ":"))}' for name, sides in PEERS.items()]
    RECORD.write_text("{\n" + ",\n".join(rows) + "\n}\n")
