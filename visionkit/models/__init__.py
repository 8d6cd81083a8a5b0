"""Functional builders of networks, one family a file, and backbones made of any Keras model."""

from visionkit.layers import (  # noqa: F401 - Keras then knows all layers, and keras.models.load_model reads files with them
    arcface,
    batch_augmentation,
    detection,
    edges,
    inference_mode,
    instance_normalization,
    normalization,
    response_normalization,
    upsampling,
)
from visionkit.models import localizer  # noqa: F401 - it has layers, too
from visionkit.models.alexnet import alexnet
from visionkit.models.backbone import backbone
from visionkit.models.catalog import CATALOG, build
from visionkit.models.compound_scaling import compound_scaling
from visionkit.models.dlib_face import dlib_face
from visionkit.models.efficientnet import (
    efficientnet,
    efficientnet_b0,
    efficientnet_b1,
    efficientnet_b2,
    efficientnet_b3,
    efficientnet_b4,
    efficientnet_b5,
    efficientnet_b6,
    efficientnet_b7,
    efficientnet_lite0,
    efficientnet_lite1,
    efficientnet_lite2,
    efficientnet_lite3,
    efficientnet_lite4,
)
from visionkit.models.endpoints import freeze, select_endpoints
from visionkit.models.facenet import facenet, siamese
from visionkit.models.inception import googlenet
from visionkit.models.inception_resnet import inception_resnet_v1
from visionkit.models.lenet import lenet5
from visionkit.models.mobilenet import mobilenet, mobilenet_v2
from visionkit.models.nin import nin, nin_small
from visionkit.models.resnet import (
    resnet,
    resnet18,
    resnet34,
    resnet50,
    resnet50_v2,
    resnet101,
    resnet101_v2,
    resnet152,
    resnet152_v2,
)
from visionkit.models.squeezenet import squeezenet, squeezenet_1_1
from visionkit.models.unet import unet
from visionkit.models.vgg import vgg11, vgg13, vgg16, vgg19

__all__ = [
    "CATALOG",
    "alexnet",
    "backbone",
    "build",
    "compound_scaling",
    "dlib_face",
    "efficientnet",
    "efficientnet_b0",
    "efficientnet_b1",
    "efficientnet_b2",
    "efficientnet_b3",
    "efficientnet_b4",
    "efficientnet_b5",
    "efficientnet_b6",
    "efficientnet_b7",
    "efficientnet_lite0",
    "efficientnet_lite1",
    "efficientnet_lite2",
    "efficientnet_lite3",
    "efficientnet_lite4",
    "facenet",
    "freeze",
    "googlenet",
    "inception_resnet_v1",
    "lenet5",
    "mobilenet",
    "mobilenet_v2",
    "nin",
    "nin_small",
    "resnet",
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet50_v2",
    "resnet101",
    "resnet101_v2",
    "resnet152",
    "resnet152_v2",
    "select_endpoints",
    "siamese",
    "squeezenet",
    "squeezenet_1_1",
    "unet",
    "vgg11",
    "vgg13",
    "vgg16",
    "vgg19",
]
