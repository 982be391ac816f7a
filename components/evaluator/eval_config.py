"""What TensorFlow Model Analysis is asked for: to measure, not to judge or to resample.

Its verdict would block good models: a threshold on a slice fails where the slice is too small
("Metric not found"), a baseline without a number (the precision of a class that it never predicts)
fails every candidate, and where nothing is served yet a limit on drops alone fails the first. Its
own choice of an output is wrong without a word where a model gives several: every task names one.
"""

from tensorflow_model_analysis.proto import config_pb2

from components.evaluator.settings import EvaluatorConfig
from components.metrics.specs import load_metric, metrics_spec
from components.tasks.parts import Evaluation
from serving import names

CANDIDATE = "candidate"
BASELINE = "baseline"
EXAMPLE_COUNT = "example_count"


def make_eval_config(
    part: Evaluation, config: EvaluatorConfig, *, has_baseline: bool
) -> config_pb2.EvalConfig:
    """TFMA's configuration, for one model or two."""
    models = [CANDIDATE, BASELINE] if has_baseline else [CANDIDATE]
    count = config_pb2.MetricConfig(class_name="ExampleCount")
    return config_pb2.EvalConfig(
        model_specs=[
            config_pb2.ModelSpec(
                name=name,
                is_baseline=name == BASELINE,
                signature_name=names.SIGNATURE_FROM_EXAMPLES,
                **part.model_spec(),
            )
            for name in models
        ],
        slicing_specs=[
            config_pb2.SlicingSpec(),
            *(config_pb2.SlicingSpec(feature_keys=[key]) for key in config.slices),
        ],
        metrics_specs=[
            config_pb2.MetricsSpec(metrics=[count]),
            *part.metrics_specs(),
            *(
                metrics_spec(
                    load_metric(path, f"evaluator.metrics.{name}"),
                    name=name,
                    **config.metrics[name].args,
                )
                for name, path in config.metric_paths().items()
            ),
        ],
        options=config_pb2.Options(include_default_metrics={"value": False}),
    )
