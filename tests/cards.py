"""Cards of models that were made for a test, and not trained."""

from glitchvae.checkpoint import DataCard, ModelCard


def blank_card(
    architecture: str = "", *, latent_size: int = 0, seed: int = 0, data: str = ""
) -> ModelCard:
    """A card that says nothing of a training.

    Args:
        architecture: Name of the network; saving a model fills it in.
        latent_size: Dimensions of its code; likewise.
        seed: Of its weights.
        data: Digest of its training data.
    """
    return ModelCard(
        architecture=architecture,
        model={},
        latent_size=latent_size,
        objective={},
        steps=0,
        seed=seed,
        data=DataCard(digest=data),
    )
