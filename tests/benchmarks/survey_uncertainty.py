"""What the columns of uncertainty tell: who is named rightly, and at what cost.

python tests/benchmarks/survey_uncertainty.py SET [--model NAME|DIR] [--limit N]

Takes the labelled events of a set that are not for training, names them after the nearest
class, and prints for each column its spread, how well it tells right from wrong (the area
under the ROC curve), and the share that is right in each quarter of its values.
"""

import argparse
import time

import numpy as np
from sklearn.metrics import roc_auc_score

from glitchvae.checkpoint import load_checkpoint
from glitchvae.dataset import stream_images
from glitchvae.embedding import UNCERTAINTIES, Embeddings, encode_spectrograms

HIGH_IS_SURE = {"latent_spread": -1, "novelty_p": -1}


def main():
    """Encode, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("set")
    parser.add_argument("--model", default="default")
    parser.add_argument("--limit", type=int, default=450)
    options = parser.parse_args()
    codes, seconds = encode(options)
    right = codes.class_name == codes.label
    print(f"{len(codes)} events, {right.mean():.1%} named rightly")
    print(f"{1e3 * seconds[0]:.1f} ms of CPU an event, with uncertainty {1e3 * seconds[1]:.1f} ms")
    print("column              5 %, median, 95 %      AUC    right by quarter, least sure first")
    for name in (*UNCERTAINTIES, "class_probability", "novelty_p"):
        values = getattr(codes, name)
        sure = HIGH_IS_SURE.get(name, 1) * values
        quarters = [f"{right[q].mean():.2f}" for q in np.array_split(np.argsort(sure), 4)]
        spread = "  ".join(f"{v:.3f}" for v in np.quantile(values, (0.05, 0.5, 0.95)))
        print(f"{name:18s}  {spread}  {roc_auc_score(right, sure):.3f}  {'  '.join(quarters)}")


def encode(options):
    """Codes of the chosen events, and seconds of CPU an event without and with uncertainty."""
    checkpoint, found, spent = load_checkpoint(options.model), [], np.zeros(2)
    for part in stream_images(options.set):
        events = part.take(part.usable & (part.label != "") & (part.split != "train"))
        for which, asked in enumerate((False, True)):
            begin = time.process_time()
            codes = encode_spectrograms(events, checkpoint, uncertainty=asked)
            spent[which] += time.process_time() - begin
        found.append(codes)
        if sum(map(len, found)) >= options.limit:
            break
    joined = Embeddings.join(found)
    return joined, spent / len(joined)


if __name__ == "__main__":
    main()
