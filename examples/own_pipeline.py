"""A TFX pipeline of one's own with four of these steps: `python own_pipeline.py DATA WORK`."""

import sys

from tfx.orchestration.local.local_dag_runner import LocalDagRunner
from tfx.orchestration.metadata import sqlite_metadata_connection_config as sqlite
from tfx.orchestration.pipeline import Pipeline

from components import evaluator, example_gen, pusher, trainer
from components.beam_args import complete

data, work = sys.argv[1:]
ingest = example_gen.ImageExampleGen(data)
settings = trainer.TrainerConfig(model="convnet_small_150", image_size=46, epochs=1)
train = trainer.Trainer(ingest.outputs["examples"], config=settings)
model = train.outputs["model"]
asked = evaluator.EvaluatorConfig(thresholds={"accuracy": evaluator.Threshold(min=0.0)})
judge = evaluator.Evaluator(ingest.outputs["examples"], model, config=asked)
served = pusher.PusherConfig(model_name="own")
base = f"{work}/serving/own"
push = pusher.Pusher(model, judge.outputs["blessing"], base_directory=base, config=served)
steps = [ingest, train, judge, push]
places = (f"{work}/artifacts", sqlite(f"{work}/metadata.sqlite"))
pipeline = Pipeline("own", *places, steps, beam_pipeline_args=complete([]))
LocalDagRunner().run(pipeline)
