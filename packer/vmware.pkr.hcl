# The golden image by VMware: the same playbook, the same gate and the same last step as by QEMU, so the same image.
#
#   packer build packer/vmware.pkr.hcl
#
# For a developer's machine without KVM. VMware Workstation or Fusion must be installed. See ubuntu-24.04-demo-box.pkr.hcl for the rest.
#
# Written by `python -m provisioner.golden.templates` from image.pkr.hcl.j2; do not edit.

packer {
  required_version = ">= 1.6.6"
}

# ---- the image

variable "image_name" {
  type        = string
  default     = "vault-os"
  description = "IMAGE_ID in os-release and the name of the pack."
}

variable "image_version" {
  type        = string
  default     = "0.1.0"
  description = "IMAGE_VERSION in os-release and the version of the pack."
}

variable "epoch" {
  type        = number
  default     = 1767225600
  description = "Every time stamp in the image, in seconds since 1970: 2026-01-01."
}

variable "driver_branch" {
  type        = string
  default     = "580"
  description = "NVIDIA's driver branch; the playbook asserts what was really installed."
}

variable "gpu_stack" {
  type        = bool
  default     = true
  description = "NVIDIA's driver and container toolkit."
}

variable "ml_stack" {
  type        = bool
  default     = true
  description = "PyTorch, TensorFlow, vLLM."
}

# ---- what it is made from: nothing outside the site

variable "iso_url" {
  type    = string
  default = "file:///srv/vaultcube/iso/ubuntu-24.04.3-live-server-amd64.iso"
}

variable "iso_checksum" {
  type        = string
  default     = "file:/srv/vaultcube/iso/SHA256SUMS"
  description = "The file that lists the checksum, or sha256:DIGEST."
}

variable "mirror" {
  type        = string
  default     = "http://apt.vaultcube.local"
  description = "The site mirror's URL: /apt, /wheels/, /site-mirror.gpg."
}

variable "mirror_key" {
  type        = string
  default     = "/srv/vaultcube/mirror/site-mirror.gpg"
  description = "The mirror's public keyring on this machine."
}

variable "mirror_lock" {
  type        = string
  default     = ""
  description = "The SHA-256 of the mirror's lock.yml, for the build record."
}

variable "mirror_hosts_entry" {
  type        = string
  default     = ""
  description = "The mirror's address where no DNS knows its name; 10.0.2.2 is this machine, seen from the guest."
}

# ---- the virtual machine

variable "cpus" {
  type    = number
  default = 4
}

variable "memory" {
  type        = number
  default     = 8192
  description = "MiB."
}

variable "disk_size" {
  type        = number
  default     = 61440
  description = "MiB of the disk while it is configured; the image is as large as its content."
}

variable "boot_command" {
  type = list(string)
  default = [
    "<wait>c<wait>linux /casper/vmlinuz autoinstall ds=\"nocloud;s=http://{{ .HTTPIP }}:{{ .HTTPPort }}/ubuntu/\" ---<enter><wait>",
    "initrd /casper/initrd<enter><wait>boot<enter>",
  ]
}

variable "boot_wait" {
  type    = string
  default = "5s"
}

variable "ssh_timeout" {
  type        = string
  default     = "40m"
  description = "The installer's time, until the installed system answers."
}

# ---- this machine

variable "python" {
  type        = string
  default     = ""
  description = "The Python that has the package provisioner; the checkout's .venv unless given."
}

variable "playbook" {
  type        = string
  default     = ""
  description = "ansible/site.yml unless given."
}

variable "seed" {
  type        = string
  default     = ".cache/packer"
  description = "What `make image-seed` wrote: the build's key and the seeds that Packer serves."
}

variable "work" {
  type        = string
  default     = ".cache/packer/vm"
  description = "The virtual machine's folder. It is removed at the end."
}

variable "out" {
  type        = string
  default     = "dist/image"
  description = "Where the results go."
}

variable "sign" {
  type        = string
  default     = ""
  description = "A secret key of `provision image keygen`. Without one the pack is not signed."
}

variable "keep" {
  type        = string
  default     = ""
  description = "A folder for the disk of a build whose last step fails; Packer deletes it otherwise."
}

locals {
  bin     = var.python != "" ? dirname(var.python) : "${path.root}/../.venv/bin"
  python  = var.python != "" ? var.python : "${path.root}/../.venv/bin/python"
  scripts = "${path.root}/scripts"
  # what shapes the image, for the build record
  facts = jsonencode({
    driver_branch = var.driver_branch
    gpu_stack     = var.gpu_stack
    ml_stack      = var.ml_stack
    mirror        = var.mirror
    mirror_lock   = var.mirror_lock
  })
}

source "vmware-iso" "image" {
  iso_url              = var.iso_url
  iso_checksum         = var.iso_checksum
  guest_os_type        = "ubuntu-64"
  version              = "16"
  disk_adapter_type    = "nvme"
  disk_type_id         = "0" # one file that grows
  disk_size            = var.disk_size
  network_adapter_type = "vmxnet3"
  cpus                 = var.cpus
  memory               = var.memory
  headless             = true
  vm_name              = "disk"
  output_directory     = var.work
  http_directory       = "${var.seed}/http"
  boot_wait            = var.boot_wait
  boot_command         = var.boot_command
  communicator         = "ssh"
  ssh_username         = "packer"
  ssh_private_key_file = "${var.seed}/key"
  ssh_timeout          = var.ssh_timeout
  shutdown_command     = "sudo systemctl poweroff"
  shutdown_timeout     = "10m"
}

build {
  sources = ["source.vmware-iso.image"]

  provisioner "shell" {
    script          = "${local.scripts}/identify.sh"
    execute_command = "sudo env {{ .Vars }} sh '{{ .Path }}'"
    environment_vars = [
      "IMAGE_ID=${var.image_name}",
      "IMAGE_VERSION=${var.image_version}",
    ]
  }

  provisioner "ansible" {
    command       = "${local.bin}/ansible-playbook"
    playbook_file = var.playbook != "" ? var.playbook : "${path.root}/../ansible/site.yml"
    user          = "packer"
    use_proxy     = false
    ansible_env_vars = [
      "ANSIBLE_CONFIG=${path.root}/../ansible/ansible.cfg",
      "ANSIBLE_HOST_KEY_CHECKING=False",
      "ANSIBLE_PIPELINING=True",
      "ANSIBLE_NOCOLOR=True",
    ]
    extra_arguments = ["--extra-vars", jsonencode({
      ansible_python_interpreter = "/usr/bin/python3"
      site_mirror_url            = var.mirror
      site_mirror_key            = var.mirror_key
      site_mirror_hosts_entry    = var.mirror_hosts_entry
      nvidia_driver_branch       = var.driver_branch
      gpu_stack                  = var.gpu_stack
      ml_stack                   = var.ml_stack
    })]
  }

  # the gate: what the finished system must be; a finding ends the build
  provisioner "shell" {
    script          = "${local.scripts}/gate.py"
    execute_command = "sudo env {{ .Vars }} /usr/bin/python3 '{{ .Path }}'"
    environment_vars = [
      "IMAGE_ID=${var.image_name}",
      "IMAGE_VERSION=${var.image_version}",
    ]
  }

  provisioner "shell" {
    script           = "${local.scripts}/finish.sh"
    execute_command  = "sudo env {{ .Vars }} sh '{{ .Path }}'"
    environment_vars = ["SOURCE_DATE_EPOCH=${var.epoch}"]
  }

  post-processor "shell-local" {
    inline = [join(" ", [
      "'${local.python}' -m provisioner.golden",
      "--disk '${var.work}/disk.vmdk' --format vmdk --out '${var.out}'",
      "--name '${var.image_name}' --version '${var.image_version}' --epoch ${var.epoch}",
      "--source '${var.iso_url}' --mirror-key '${var.mirror_key}' --sign '${var.sign}' --keep '${var.keep}' --builder vmware-iso --facts '${local.facts}'",
    ])]
  }
}
