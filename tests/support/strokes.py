"""Made-up characters: a class is three strokes between points of its own, drawn each time elsewhere and with a shaking hand."""
import random
import struct

SIDE = 14


def draw(points, hand):
    left, top = hand.uniform(-1.5, 1.5), hand.uniform(-1.5, 1.5)
    image = [[0] * SIDE for _ in range(SIDE)]
    for (x0, y0), (x1, y1) in zip(points, points[1:]):
        for step in range(25):
            t = step / 25
            column = round(x0 + t * (x1 - x0) + left + hand.gauss(0, 0.3))
            row = round(y0 + t * (y1 - y0) + top + hand.gauss(0, 0.3))
            if 0 <= row < SIDE and 0 <= column < SIDE:
                image[row][column] = 255
    return image


def characters(n_classes, n_each, seed=1):
    """n_classes lists of n_each images, each a list of rows of 0 and 255."""
    r = random.Random(seed)
    classes = [[(r.uniform(1, SIDE - 2), r.uniform(1, SIDE - 2)) for _ in range(4)] for _ in range(n_classes)]
    return [[draw(points, r) for _ in range(n_each)] for points in classes]


def npy(path, shape, values, kind="|u1", code="B"):
    """An array file; kind and code name the type for NumPy and for struct."""
    header = str({"descr": kind, "fortran_order": False, "shape": tuple(shape)}).encode()
    header += b" " * (63 - (len(header) + 10) % 64) + b"\n"
    with open(path, "wb") as out:
        out.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header)
        out.write(struct.pack("<%d%s" % (len(values), code), *values))


def idx(path, shape, values):
    """The same in the form that MNIST has, of bytes."""
    with open(path, "wb") as out:
        out.write(bytes([0, 0, 8, len(shape)]) + struct.pack(">%dI" % len(shape), *shape) + bytes(values))


def flat(images):
    return [pixel for image in images for row in image for pixel in row]


def write_set(folder, name, classes, first=0):
    """folder/name_images.npy and folder/name_classes.npy; classes are numbered from `first` on."""
    images = [image for each in classes for image in each]
    npy("%s/%s_images.npy" % (folder, name), (len(images), SIDE, SIDE), flat(images))
    npy("%s/%s_classes.npy" % (folder, name), (len(images),), [first + k for k, each in enumerate(classes) for _ in each], "<i4", "i")
