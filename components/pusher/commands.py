"""The commands `pawlens rollback` and `pawlens label`."""

from pathlib import Path

from components.pusher.rollback import roll_back, set_label


def run_rollback(
    name: str,
    version: int | None,
    *,
    serving_root: str | None,
    model_config_file: Path | None,
    target: str,
) -> None:
    """See `roll_back`; the serving root is that of `pawlens run` unless another is given."""
    root = serving_root or str(Path("runs", name, "serving"))
    print(
        roll_back(
            name, version, serving_root=root, model_config_file=model_config_file, target=target
        )
    )


def run_label(
    name: str,
    label: str,
    version: str,
    *,
    model_config_file: Path,
    serving_root: str | None,
    target: str,
) -> None:
    """See `set_label`."""
    print(
        set_label(
            name,
            label,
            version,
            model_config_file=model_config_file,
            serving_root=serving_root or "",
            target=target,
        )
    )
