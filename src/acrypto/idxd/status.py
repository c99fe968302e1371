"""What a device's file `cmd_status` tells: enum idxd_scmd_stat of <linux/idxd.h>, and words for it."""

from __future__ import annotations

DEV_ENABLED = 0x80000010
DEV_NOT_ENABLED = 0x80000020
WQ_ENABLED = 0x80000021
DEV_DMA_ERR = 0x80020000
WQ_NO_GRP = 0x80030000
WQ_NO_NAME = 0x80040000
WQ_NO_SVM = 0x80050000
WQ_NO_THRESH = 0x80060000
WQ_PORTAL_ERR = 0x80070000
WQ_RES_ALLOC_ERR = 0x80080000
PERCPU_ERR = 0x80090000
DMA_CHAN_ERR = 0x800A0000
CDEV_ERR = 0x800B0000
WQ_NO_SWQ_SUPPORT = 0x800C0000
WQ_NONE_CONFIGURED = 0x800D0000
WQ_NO_SIZE = 0x800E0000
WQ_NO_PRIV = 0x800F0000
WQ_IRQ_ERR = 0x80100000
WQ_USER_NO_IOMMU = 0x80110000
DEV_EVL_ERR = 0x80120000
WQ_NO_DRV_NAME = 0x80200000

#: Words for each, for people.
TEXTS = {
    DEV_ENABLED: "the device is enabled",
    DEV_NOT_ENABLED: "the device is not enabled",
    WQ_ENABLED: "the work queue is enabled",
    DEV_DMA_ERR: "the device could not be registered as a DMA device",
    WQ_NO_GRP: "the work queue is in no group",
    WQ_NO_NAME: "the work queue has no name",
    WQ_NO_SVM: "the work queue is shared, and the device has no PASID",
    WQ_NO_THRESH: "the work queue is shared, and has no threshold",
    WQ_PORTAL_ERR: "the portal could not be mapped",
    WQ_RES_ALLOC_ERR: "there is no memory for the work queue",
    PERCPU_ERR: "the work queue's count of users could not be made",
    DMA_CHAN_ERR: "the DMA channel could not be registered",
    CDEV_ERR: "the character device could not be made",
    WQ_NO_SWQ_SUPPORT: "a shared work queue is configured, and the device has none",
    WQ_NONE_CONFIGURED: "no work queue is in a group",
    WQ_NO_SIZE: "the work queue has no size",
    WQ_NO_PRIV: "a kernel's work queue needs privileges that the device does not give",
    WQ_IRQ_ERR: "the interrupt could not be had",
    WQ_USER_NO_IOMMU: "a user's work queue needs an IOMMU with PASID",
    DEV_EVL_ERR: "the event log could not be made",
    WQ_NO_DRV_NAME: "the work queue's driver_name is not that of the driver",
}


def text(code: int) -> str:
    """Words for a command status; of one that is not known, its number."""
    return "success" if code == 0 else TEXTS.get(code, f"{code:#x}")
