# The stand-in for machines without Ubuntu's ISO, and for CI: Debian's base image, made by `make image-base`, is configured by
# the same playbook and normalised by the same step. Emulation (tcg) runs everywhere; with KVM add -var accelerator=kvm -var cpu=host.
image_name   = "vault-os-debian"
gpu_stack    = false # NVIDIA publishes no prebuilt modules for Debian's kernel
ml_stack     = false
disk_image   = true
iso_url      = ".cache/packer/debian-12-base.raw"
iso_checksum = "file:.cache/packer/SHA256SUMS"
accelerator  = "tcg"
cpu          = "Nehalem"
cpus         = 2
memory       = 2048
disk_size    = "8G"
firmware     = "/usr/share/ovmf/OVMF.fd"
smbios       = "type=1,serial=ds=nocloud-net;s=http://{{ .HTTPIP }}:{{ .HTTPPort }}/debian/"
boot_command = []
# the base image has no resolver, so the mirror's address must be said: this machine, unless another one is given by -var
mirror_hosts_entry = "10.0.2.2"
boot_wait          = "1s"
ssh_timeout        = "10m"
