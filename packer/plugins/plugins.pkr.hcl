# The plugins that Packer 1.9 to 1.14 need, for `packer init packer/plugins` on a host with a connection. They have a folder of
# their own because Packer 1.6.6, which has them built in, refuses this block in every file of a folder that it reads.
# In an air gap: packer plugins install --path FILE SOURCE, from the files that `packer init` put into ~/.config/packer/plugins.

packer {
  required_plugins {
    ansible = {
      source  = "github.com/hashicorp/ansible"
      version = "~> 1.1"
    }
    qemu = {
      source  = "github.com/hashicorp/qemu"
      version = "~> 1.1"
    }
    virtualbox = {
      source  = "github.com/hashicorp/virtualbox"
      version = "~> 1.1"
    }
    vmware = {
      source  = "github.com/vmware/vmware"
      version = "~> 1.1"
    }
  }
}
