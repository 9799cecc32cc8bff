"""Tiny tokenizers laid out as those of public PRMs are, trained on a few lines when asked."""

from functools import cache

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

CHATML = ("{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + "
          "'<|im_end|>\n' }}{% endfor %}"
          "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}")
LLAMA3 = ("{{ '<|begin_of_text|>' }}{% for m in messages %}{{ '<|start_header_id|>' + m['role'] + "
          "'<|end_header_id|>\n\n' + m['content'] | trim + '<|eot_id|>' }}{% endfor %}")
WORDS = Regex(r" ?[\p{L}]+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
LINES = ["Ana has 3 + 4 = 7 pens.\n", "Step 1: Ben has 7 - 2 = 5 pens.\n\n", "What is 2 + 2 ?\n",
         "Step 2: Yes, it is correct. No, it is not.\n", "So the answer is 12.\n\n\n\n\n",
         "Question:\nAnswer:\nLet's think step by step.\n", "yes no correct incorrect ки ки + - \n"]


@cache
def byte_level(style):
    """Qwen's or Llama 3's kind: bytes, merges within words and within runs of newlines."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(WORDS, "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.decoder = decoders.ByteLevel()
    special = {"qwen": ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<extra_0>"],
               "llama3": ["<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>",
                          "<|end_header_id|>", "<|eot_id|>"]}[style]
    tokenizer.train_from_iterator(LINES * 20, trainers.BpeTrainer(
        vocab_size=420, special_tokens=special, show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    if style == "qwen":
        return PreTrainedTokenizerFast(
            tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token="<|endoftext|>",
            additional_special_tokens=["<extra_0>", "<|im_start|>"], chat_template=CHATML)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<|begin_of_text|> $A", special_tokens=[("<|begin_of_text|>", 0)])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<|begin_of_text|>",
                                   eos_token="<|eot_id|>", chat_template=LLAMA3)


@cache
def sentencepiece(pad="</s>"):
    """Mistral's and Llama 2's kind: a blank put before every text, blanks written as a mark."""
    alphabet = sorted(set("".join(LINES)) - {" "}) + ["\u2581"]
    words = ["\u2581ки", "\u2581+", "\u2581-"]
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always", split=True)
    tokenizer.decoder = decoders.Metaspace(prepend_scheme="always")
    tokenizer.train_from_iterator(
        [line.rstrip() for line in LINES for _ in range(20)] + [" ки + -"] * 50, trainers.BpeTrainer(
            vocab_size=300, special_tokens=["<unk>", "<s>", "</s>"], show_progress=False,
            initial_alphabet=alphabet))
    assert all(word in tokenizer.get_vocab() for word in words)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", 1)])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>",
                                   unk_token="<unk>", pad_token=pad)
