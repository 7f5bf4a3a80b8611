"""Three LightningModules as public examples have them: segmentation, an autoencoder, a contrastive learner."""

import pytorch_lightning as pl
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset
from torchmetrics.classification import MulticlassJaccardIndex


def convolution(channels: int, width: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(channels, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU())


class UNet(pl.LightningModule):
    """Segments disks. Source of the network: Ronneberger et al. 2015."""

    def __init__(self, width: int = 4) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.down, self.middle = convolution(1, width), convolution(width, 2 * width)
        self.up, self.head = convolution(3 * width, width), nn.Conv2d(width, 2, 1)
        self.iou = MulticlassJaccardIndex(2)

    def forward(self, x):
        skip = self.down(x)
        low = F.interpolate(self.middle(F.max_pool2d(skip, 2)), scale_factor=2)
        return self.head(self.up(torch.cat([skip, low], 1)))

    def training_step(self, batch, batch_idx):
        return F.cross_entropy(self(batch["image"]), batch["mask"])

    def validation_step(self, batch, batch_idx):
        out = self(batch["image"])
        self.iou(out, batch["mask"])
        self.log_dict({"val_iou": self.iou, "val_loss": F.cross_entropy(out, batch["mask"])})


class Disks(Dataset):
    def __init__(self, count: int, seed: int) -> None:
        draws = torch.Generator().manual_seed(seed)
        self.centers = torch.randint(2, 6, (count, 2), generator=draws)
        self.noise = torch.rand(count, 8, 8, generator=draws)

    def __len__(self) -> int:
        return len(self.centers)

    def __getitem__(self, index: int):
        y, x = torch.meshgrid(torch.arange(8), torch.arange(8), indexing="ij")
        mask = ((y - self.centers[index][0]) ** 2 + (x - self.centers[index][1]) ** 2 < 5).long()
        return {"image": (mask + 0.5 * self.noise[index]).unsqueeze(0), "mask": mask, "name": f"disk {index}"}


class DiskModule(pl.LightningDataModule):
    def setup(self, stage):
        self.train, self.val = Disks(44, 0), Disks(20, 1)

    def train_dataloader(self):
        return DataLoader(self.train, batch_size=3, shuffle=True)

    def val_dataloader(self):
        return DataLoader(self.val, batch_size=3)


class VAE(pl.LightningModule):
    """A variational autoencoder whose weight of the divergence warms up. Source: Kingma & Welling 2014."""

    def __init__(self, in_shape, latent: int = 4, warmup: int = 10) -> None:
        super().__init__()
        self.size, self.latent, self.warmup = torch.Size(in_shape).numel(), latent, warmup
        self.encoder = nn.Sequential(nn.Flatten(), nn.Linear(self.size, 16), nn.ReLU(), nn.Linear(16, 2 * latent))
        self.decoder = nn.Sequential(nn.Linear(latent, 16), nn.ReLU(), nn.Linear(16, self.size))

    def losses(self, batch):
        x, _ = batch
        mean, log_var = self.encoder(x).chunk(2, 1)
        z = mean + torch.randn_like(mean) * (log_var / 2).exp()
        kl = (mean**2 + log_var.exp() - 1 - log_var).sum(1).mean() / 2
        return F.mse_loss(self.decoder(z), x.flatten(1)), kl

    def training_step(self, batch):
        recon, kl = self.losses(batch)
        self.log("kl", kl)
        return {"loss": recon + min(1.0, self.global_step / self.warmup) * 1e-2 * kl}

    def validation_step(self, batch):
        recon, kl = self.losses(batch)
        return {"loss": recon + 1e-2 * kl, "recon": recon}


class Views(Dataset):
    """Images without labels."""

    def __init__(self, count: int, seed: int) -> None:
        self.images = torch.rand(count, 1, 6, 6, generator=torch.Generator().manual_seed(seed))

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int):
        image = self.images[index]
        return [image + 0.1 * torch.randn_like(image) for _ in range(2)], index


def views():
    return {"train": Views(40, 0), "val": Views(16, 1), "collate_fn": stack}


def stack(samples):
    pairs, indices = zip(*samples, strict=True)
    return [torch.stack(view) for view in zip(*pairs, strict=True)], torch.tensor(indices)


class Contrastive(pl.LightningModule):
    """Pulls two views of an image together, with a target network that follows. Source: Grill et al. 2020 (BYOL)."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.online, self.target = (nn.Sequential(nn.Flatten(), nn.Linear(36, width)) for _ in range(2))
        self.predictor = nn.Linear(width, width)
        self.target.requires_grad_(False)
        self.seen = 0

    def loss(self, batch):
        (one, other), _ = batch
        predicted = self.predictor(self.online(one))
        return -F.cosine_similarity(predicted, self.target(other)).mean()

    def training_step(self, batch, batch_idx):
        return self.loss(batch)

    def on_train_batch_end(self, outputs, batch, batch_idx):
        self.seen += len(batch[1])
        with torch.no_grad():
            for follower, leader in zip(self.target.parameters(), self.online.parameters(), strict=True):
                follower.lerp_(leader, 0.1)

    def validation_step(self, batch, batch_idx):
        self.log("val/loss", self.loss(batch))
        self.log("val/seen", float(self.seen))

    def on_save_checkpoint(self, checkpoint):
        checkpoint["seen"] = self.seen

    def on_load_checkpoint(self, checkpoint):
        self.seen = checkpoint["seen"]

    def configure_optimizers(self):
        optimizer = torch.optim.SGD([*self.online.parameters(), *self.predictor.parameters()], lr=0.05)
        return {"optimizer": optimizer, "lr_scheduler": torch.optim.lr_scheduler.StepLR(optimizer, 10)}
