"""save.py TARGET SOURCE: reads a checkpoint's small files with the installed transformers and saves them again."""
import sys

import transformers
from transformers import (AutoConfig, GenerationConfig, Qwen2TokenizerFast, Qwen2VLConfig, Qwen2VLProcessor,
                          Qwen2VLVideoProcessor)

if transformers.__version__.startswith("5"):
    from transformers import Qwen2VLImageProcessor as ImageProcessor
else:
    from transformers import Qwen2VLImageProcessorFast as ImageProcessor


class Config(Qwen2VLConfig):
    model_type = "vargpt_qwen2_vl"


target, source = sys.argv[1:]
AutoConfig.register("vargpt_qwen2_vl", Config)
Config.from_pretrained(source).save_pretrained(target)
GenerationConfig.from_pretrained(source).save_pretrained(target)
tokenizer = Qwen2TokenizerFast.from_pretrained(source)
Qwen2VLProcessor(
    image_processor=ImageProcessor.from_pretrained(source), tokenizer=tokenizer,
    video_processor=Qwen2VLVideoProcessor(), chat_template=tokenizer.chat_template).save_pretrained(target)
