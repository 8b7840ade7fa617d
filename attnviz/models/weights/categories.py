"""Names of the classes that published weights predict, in the order of their numbers."""

from typing import Literal

from attnviz.extras import needs

CategorySet = Literal["imagenet", "cityscapes", "ade20k", "voc"]

# Cityscapes' 19 training classes, https://www.cityscapes-dataset.com/dataset-overview/
CITYSCAPES = (
    "road, sidewalk, building, wall, fence, pole, traffic light, traffic sign, vegetation, terrain, sky, person, "
    "rider, car, truck, bus, train, motorcycle, bicycle"
).split(", ")

# The 150 classes of ADE20K's scene parsing challenge, http://sceneparsing.csail.mit.edu/ (first name of each, but of
# the tank its second, since ImageNet has a tank that is a vehicle)
ADE20K = (
    "wall, building, sky, floor, tree, ceiling, road, bed, windowpane, grass, cabinet, sidewalk, person, earth, door, "
    "table, mountain, plant, curtain, chair, car, water, painting, sofa, shelf, house, sea, mirror, rug, field, "
    "armchair, seat, fence, desk, rock, wardrobe, lamp, bathtub, railing, cushion, base, box, column, signboard, "
    "chest of drawers, counter, sand, sink, skyscraper, fireplace, refrigerator, grandstand, path, stairs, runway, "
    "case, pool table, pillow, screen door, stairway, river, bridge, bookcase, blind, coffee table, toilet, flower, "
    "book, hill, bench, countertop, stove, palm, kitchen island, computer, swivel chair, boat, bar, arcade machine, "
    "hovel, bus, towel, light, truck, tower, chandelier, awning, streetlight, booth, television receiver, airplane, "
    "dirt track, apparel, pole, land, bannister, escalator, ottoman, bottle, buffet, poster, stage, van, ship, "
    "fountain, conveyer belt, canopy, washer, plaything, swimming pool, stool, barrel, basket, waterfall, tent, bag, "
    "minibike, cradle, oven, ball, food, step, storage tank, trade name, microwave, pot, animal, bicycle, lake, "
    "dishwasher, screen, blanket, sculpture, hood, sconce, vase, traffic light, tray, ashcan, fan, pier, crt screen, "
    "plate, monitor, bulletin board, shower, radiator, glass, clock, flag"
).split(", ")

# Pascal VOC 2012 with background, http://host.robots.ox.ac.uk/pascal/VOC/voc2012/
VOC = (
    "background, aeroplane, bicycle, bird, boat, bottle, bus, car, cat, chair, cow, dining table, dog, horse, "
    "motorbike, person, potted plant, sheep, sofa, train, tv monitor"
).split(", ")


def categories_of(name: CategorySet) -> tuple[str, ...]:
    """The classes of a data set.

    Args:
        name: ``"imagenet"`` are the 1,000 of ILSVRC 2012, taken from torchvision.
    """
    if name == "imagenet":
        with needs("torchvision", extra="weights"):
            from attnviz.models.torchvision_ops import torchvision

        return tuple(torchvision.models.ResNet50_Weights.IMAGENET1K_V1.meta["categories"])
    return tuple({"cityscapes": CITYSCAPES, "ade20k": ADE20K, "voc": VOC}[name])
