"""A model of images written from PyTorch's layout is served with the numbers that NumPy computes from the same file."""
import os
import sys
import unittest

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "support")]
import hn
import reference
from export_model import write_model


def made_up(path, rng, height, width, channels, widths, hidden, least, most):
    arrays, d, h, w = {}, channels, height, width
    for i, d_out in enumerate(widths):
        conv2d = rng.normal(0, 1 / np.sqrt(4 * d), (d_out, d, 3, 3))  # as torch.nn.Conv2d has it
        arrays["images.%d.weight" % i] = conv2d.transpose(0, 2, 3, 1).reshape(d_out, 9 * d)
        arrays["images.%d.bias" % i] = rng.normal(0, 0.1, d_out)
        d, h, w = d_out, h // 2, w // 2
    f = h * w * d
    for name, shape in (("scale", 1), ("in.weight", (hidden, f)), ("in.bias", hidden), ("query", (hidden, hidden)), ("key", (hidden, hidden)),
                        ("value", (hidden, hidden)), ("mix.weight", (hidden, 2 * hidden)), ("mix.bias", hidden), ("out.weight", (f + 1, hidden)),
                        ("out.bias", f + 1)):
        arrays["images.head." + name] = rng.normal(0, 0.3, shape)
    write_model(path, {"format": 1, "name": "made-up", "version": "1", "objective": "classification", "n_items": 0,
                       "d_item": height * width * channels, "d_context": f + 1, "d_output": 0, "trunk": {"norm": "none", "layers": []},
                       "target": {"linear": False, "linear_head": False, "layers": []},
                       "images": {"height": height, "width": width, "channels": channels, "least": least, "most": most,
                                  "layers": [{"d_out": n} for n in widths], "hidden": hidden}}, arrays)


class Parity(unittest.TestCase):
    def test_answers_are_those_of_numpy(self):
        rng = np.random.default_rng(4)
        for sizes in ((9, 7, 1, (5, 6), 4, 0, 1), (8, 8, 3, (4, 5, 7), 6, -10, 250), (28, 28, 1, (8, 8, 8, 8), 16, 0, 255), (2, 5, 2, (3,), 1, 0, 7)):
            with self.subTest(sizes=sizes):
                path = os.path.join(hn.temporary_folder(), "model.hn")
                made_up(path, rng, *sizes)
                height, width, channels, least, most = (*sizes[:3], *sizes[5:])
                images = np.round(rng.uniform(least, most, (12, height, width, channels)), 3)
                classes = [["b", "a", "c", "b", "a", "b", "c"][i] for i in range(7)]
                names, p, entropy, novelty = reference.Images(path).predict(images[:7], classes, images[7:])
                form = lambda x: (x[..., 0] if channels == 1 else x).tolist()
                with hn.Server(models=[path]) as server:
                    answer = server.request("POST", "/v1/tasks/x/predictions", {"images": form(images[7:]), "support": {"images": form(images[:7]), "classes": classes}})
                self.assertEqual(answer.status, 200, answer)
                for i, given in enumerate(answer.json["predictions"]):
                    self.assertEqual(list(given["probabilities"]), names)
                    for k, name in enumerate(names):
                        self.assertAlmostEqual(given["probabilities"][name], p[i, k], delta=2e-4)
                    self.assertAlmostEqual(given["entropy"], entropy[i], delta=1e-3)
                    self.assertAlmostEqual(given["novelty"], novelty[i], delta=1e-3 * max(1, abs(novelty[i])))


if __name__ == "__main__":
    unittest.main()
