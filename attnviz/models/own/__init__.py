"""Networks of one's own: from a Python file, timm, torchvision or the Hugging Face hub, ready to be explained."""
