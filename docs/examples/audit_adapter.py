"""
Audit an adapter
================

An adapter is saved by peft, read back without its base model, and decomposed. A direction is planted in it, so that
what the audit says can be compared with the truth.
"""

# %%
# First an adapter to audit. With one of your own, go on with the next cell: all that is needed is its folder.
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from peft import LoraConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM

torch.manual_seed(0)
config = LlamaConfig(vocab_size=64, hidden_size=128, intermediate_size=192, num_hidden_layers=6, num_attention_heads=4)
lora = LoraConfig(r=32, lora_alpha=32, target_modules=["o_proj", "down_proj"])
model = get_peft_model(LlamaForCausalLM(config), lora)
planted = torch.nn.functional.normalize(torch.randn(128), dim=0)
with torch.no_grad():
    for name, parameter in model.named_parameters():
        if "lora_B" in name:  # noise of a fine-tune, and one direction that all layers write
            parameter.copy_(0.02 * torch.randn_like(parameter) + 0.25 * torch.outer(planted, torch.randn(32) / 32**0.5))
folder = Path(tempfile.mkdtemp()) / "my-adapter"
model.save_pretrained(folder)
print(sorted(file.name for file in folder.iterdir()))

# %%
# The audit reads the safetensors file alone: no base model, no data, no network, and nothing is unpickled. On the
# command line it is ``grasp identify my-adapter``.
from grasp_theory import identify
from real_models import findings, read_adapter

adapter = read_adapter(folder)
report = identify(adapter.updates)
for finding in findings(adapter, report):
    print("-", finding.text)
print(report.verdict)

# %%
# Component 0 is the strongest direction that the layers write together. Standing out is not being spurious: here we
# know that it is what was planted.
component = report.component(0)
u = component.subspace.basis[:, 0]
print(f"strength {component.singular_value:.2f}, {component.ratio:.1f} times the next one")
print(f"|cos| with the planted direction: {abs(float(u @ planted.double().numpy())):.3f}")

# %%
# What can be promised: if the rest of the update is at most tau, the direction is within this angle of the factor.
# You have to assert the tau; nothing in the weights tells it.
pooled = report.decompositions[0]
values = [c.singular_value for c in pooled.components]
fig, (left, right) = plt.subplots(1, 2)
left.stem(range(len(values)), values)
if pooled.floor.value is not None:
    left.axhline(pooled.floor.value, color="tab:orange", linestyle="--", label="noise floor (99%)")
    left.legend()
left.set(xlabel="component", ylabel="singular value", title="What the layers write together")
tau, angle = zip(*component.certificate.curve(), strict=True)
right.plot(tau, angle)
right.set(xlabel="tau, asserted", ylabel="angle at most (rad)", title="Certificate of component 0")
plt.show()
