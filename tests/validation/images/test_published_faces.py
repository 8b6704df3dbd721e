"""3D Faces and CelebA: published layouts, made up small."""

import numpy as np
import pytest
import torch

from glitchvae.errors import InputError
from glitchvae.validation.images.celeba import read_celeba
from glitchvae.validation.images.faces import read_faces


def test_the_tensor_of_faces_is_read(published_faces):
    data = read_faces(published_faces.path)
    assert data.sizes == (2, 3, 2, 2)
    assert np.array_equal(data.factors.T, np.indices((2, 3, 2, 2)).reshape(4, -1))
    row = np.flatnonzero((data.factors == (1, 2, 0, 1)).all(axis=1))[0]
    assert (data.pixels[row, 0] == published_faces.tensor[1, 2, 0, 1].numpy()).all()


def test_another_tensor_or_file_is_named(published_faces, tmp_path):
    small = published_faces.tensor
    torch.save(small[:1], tmp_path / "part.pth")
    with pytest.raises(InputError, match=r"expected shape \(2, 3.*found shape \(1, 3"):
        read_faces(tmp_path / "part.pth")
    torch.save(small.float(), tmp_path / "float.pth")
    with pytest.raises(InputError, match=r"of torch.uint8; found.*torch.float32"):
        read_faces(tmp_path / "float.pth")
    torch.save({"faces": 1}, tmp_path / "dict.pth")
    with pytest.raises(InputError, match="of dict"):
        read_faces(tmp_path / "dict.pth")
    (tmp_path / "text.pth").write_text("no tensor")
    for name in ("text.pth", "absent.pth"):
        with pytest.raises(InputError, match=f"{name}: not a readable tensor"):
            read_faces(tmp_path / name)


def test_celeba_is_read_with_attributes_and_partition(published_celeba):
    folder = published_celeba
    data = read_celeba(folder)
    assert data.shape == (3, 64, 64)
    assert data.sizes == (2,) * 40
    assert data.factors[:, 0].tolist() == [0, 1, 0, 1, 0, 1]
    assert data.factors[5, :4].tolist() == [1, 0, 1, 0]
    # Only the middle is left: one colour up to the blur of JPEG at its border.
    assert abs(data.pixels[3, 0, 4:-4, 4:-4].astype(int) - 50).max() < 8
    assert len(read_celeba(folder, split="validation")) == 2
    assert (read_celeba(folder, split="test").factors == data.factors[4:]).all()
    assert len(read_celeba(folder, limit=3)) == 3


def test_bad_celeba_lists_are_named(published_celeba, tmp_path):
    folder = published_celeba
    table = folder / "list_attr_celeba.txt"
    good = table.read_text()
    cases = [
        (good.replace("attribute_3 ", ""), "40 names; found 39 names"),
        (good.replace("000002.jpg  1", "000002.jpg  7"), "line 4: a damaged line"),
        ("\n".join(good.splitlines()[:-1]), "lines are missing; expected 6; found 5"),
    ]
    for text, message in cases:
        table.write_text(text)
        with pytest.raises(InputError, match=message):
            read_celeba(folder)
    table.write_text(good)
    (folder / "list_eval_partition.txt").write_text("000001.jpg 9\n")
    with pytest.raises(InputError, match="line 1: a damaged line"):
        read_celeba(folder, split="train")
    (folder / "img_align_celeba" / "000002.jpg").unlink()
    with pytest.raises(InputError, match=r"000002\.jpg: not a readable picture"):
        read_celeba(folder)
    with pytest.raises(InputError, match=r"list_attr_celeba\.txt: cannot be read"):
        read_celeba(tmp_path / "nowhere")
