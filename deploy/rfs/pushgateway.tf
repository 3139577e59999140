# A gateway on a Kunpeng server in a network of its own, as a template of Huawei
# Cloud's Resource Formation Service (RFS). One file, since RFS reads no others:
# see docs/huawei-cloud.md. RFS has the credentials, and its own mirror of the
# provider.
# 华为云资源编排服务（RFS）模板：创建独立的网络和一台运行 Pushgateway 的鲲鹏服务器。
# 用法见 docs/huawei-cloud_ZH.md。

terraform {
  required_providers {
    huaweicloud = {
      source  = "huawei.com/provider/huaweicloud"
      version = ">= 1.70.1"
    }
  }
}

provider "huaweicloud" {
  region = var.region
}

variable "region" {
  description = "The region of the stack. 资源栈所在区域。"
  type        = string
  default     = "cn-north-4"
}

variable "name" {
  description = "Name of the server and what belongs to it. 服务器及相关资源的名称。"
  type        = string
  default     = "pushgateway"
}

variable "clients_cidr" {
  description = "From where jobs push and Prometheus scrapes (port 9091), like 203.0.113.0/24. 允许访问 9091 端口的源地址：推送指标的任务和 Prometheus 所在网段。"
  type        = string
}

variable "ssh_cidr" {
  description = "From where SSH (port 22) is open, like 203.0.113.7/32. 允许访问 22 端口（SSH）的源地址。"
  type        = string
}

variable "network_cidr" {
  description = "Addresses of the VPC and its subnet. VPC 及其子网的网段。"
  type        = string
  default     = "192.168.0.0/24"
}

variable "eip_bandwidth_mbit" {
  description = "Bandwidth of the public address (EIP), billed by traffic, 1 to 300 Mbit/s. 弹性公网 IP 的带宽（按流量计费），1 至 300 Mbit/s。"
  type        = number
  default     = 5
}

variable "flavor_id" {
  description = "A Kunpeng flavour; kc1.xlarge.4 has 4 vCPUs and 16 GiB. 鲲鹏规格；kc1.xlarge.4 为 4 vCPU、16 GiB。"
  type        = string
  default     = "kc1.xlarge.4"
}

variable "system_disk_gib" {
  description = "Size of the system disk. 系统盘大小（GiB）。"
  type        = number
  default     = 50
}

variable "data_disk_gib" {
  description = "Size of the disk for the groups, which stays when the stack goes. 数据盘大小（GiB）；删除资源栈时保留。"
  type        = number
  default     = 10
}

variable "image_name" {
  description = "EulerOS 2.0 for Kunpeng, or what deploy/packer has built. 镜像名称：鲲鹏版 EulerOS 2.0，或 deploy/packer 构建的镜像。"
  type        = string
  default     = "Huawei Cloud EulerOS 2.0 Standard 64 bit for ARM"
}

variable "key_pair" {
  description = "SSH key pair to log in with; RFS cannot make one. Nobody can log in if empty. 登录用的密钥对，须事先创建；留空则无法登录。"
  type        = string
  default     = ""
}

variable "package_url" {
  description = "Where the server gets the .rpm for aarch64 at its first boot, like https://downloads.example.org/pushgateway-1.0.0-1.aarch64.rpm. Empty if the image has it. 首次启动时下载 aarch64 .rpm 的地址；镜像中已包含时留空。"
  type        = string
  default     = ""
}

variable "package_sha256" {
  description = "Its checksum, from SHA256SUMS. 安装包的 SHA-256 校验和，见 SHA256SUMS。"
  type        = string
  default     = ""
}

variable "args" {
  description = "Flags of the gateway, like --push.ttl=7d. 启动参数。"
  type        = string
  default     = ""
}

data "huaweicloud_availability_zones" "all" {
  region = var.region
}

data "huaweicloud_images_image" "system" {
  name        = var.image_name
  most_recent = true
}

resource "huaweicloud_vpc" "gateway" {
  name = var.name
  cidr = var.network_cidr
}

resource "huaweicloud_vpc_subnet" "gateway" {
  name       = var.name
  vpc_id     = huaweicloud_vpc.gateway.id
  cidr       = var.network_cidr
  gateway_ip = cidrhost(var.network_cidr, 1)
}

resource "huaweicloud_networking_secgroup" "gateway" {
  name                 = var.name
  description          = "Pushes to, and scrapes of, the gateway"
  delete_default_rules = true
}

resource "huaweicloud_networking_secgroup_rule" "clients" {
  security_group_id = huaweicloud_networking_secgroup.gateway.id
  direction         = "ingress"
  ethertype         = "IPv4"
  protocol          = "tcp"
  ports             = "9091"
  remote_ip_prefix  = var.clients_cidr
}

resource "huaweicloud_networking_secgroup_rule" "ssh" {
  security_group_id = huaweicloud_networking_secgroup.gateway.id
  direction         = "ingress"
  ethertype         = "IPv4"
  protocol          = "tcp"
  ports             = "22"
  remote_ip_prefix  = var.ssh_cidr
}

# For the package, names and time.
resource "huaweicloud_networking_secgroup_rule" "out" {
  security_group_id = huaweicloud_networking_secgroup.gateway.id
  direction         = "egress"
  ethertype         = "IPv4"
}

resource "huaweicloud_vpc_eip" "gateway" {
  publicip {
    type = "5_bgp"
  }

  bandwidth {
    name        = var.name
    share_type  = "PER"
    size        = var.eip_bandwidth_mbit
    charge_mode = "traffic"
  }
}

resource "huaweicloud_compute_instance" "gateway" {
  name               = var.name
  image_id           = data.huaweicloud_images_image.system.id
  flavor_id          = var.flavor_id
  availability_zone  = data.huaweicloud_availability_zones.all.names[0]
  security_group_ids = [huaweicloud_networking_secgroup.gateway.id]
  key_pair           = var.key_pair == "" ? null : var.key_pair
  eip_id             = huaweicloud_vpc_eip.gateway.id
  system_disk_type   = "GPSSD"
  system_disk_size   = var.system_disk_gib

  network {
    uuid = huaweicloud_vpc_subnet.gateway.id
  }

  data_disks {
    type = "GPSSD"
    size = var.data_disk_gib
  }

  delete_disks_on_termination = false
  stop_before_destroy         = true

  # The same as deploy/terraform/huaweicloud/user-data.yaml.tftpl: RFS has no
  # templatefile.
  user_data = <<EOT
#cloud-config
fs_setup:
  - device: /dev/vdb
    filesystem: ext4
    label: pushgateway
    overwrite: false
mounts:
  - [LABEL=pushgateway, /var/lib/pushgateway, ext4, "defaults,nofail,noatime", "0", "2"]
write_files:
  - path: /etc/default/pushgateway
    content: |
      ARGS="${var.args}"
runcmd:
  - |
    set -eu
    if [ -n "${var.package_url}" ]; then
      curl -fsSL -m 300 --retry 5 -o /run/pushgateway.rpm "${var.package_url}"
      echo "${var.package_sha256}  /run/pushgateway.rpm" | sha256sum -c -
      rpm --upgrade --replacepkgs /run/pushgateway.rpm
    fi
    chown pushgateway:pushgateway /var/lib/pushgateway
    systemctl enable pushgateway.service
    systemctl restart pushgateway.service
    curl -fsS -m 10 --retry 20 --retry-delay 1 --retry-connrefused http://localhost:9091/-/ready
EOT
}

output "url" {
  description = "Where jobs push, and Prometheus scrapes /metrics. 推送与抓取的地址。"
  value       = "http://${huaweicloud_vpc_eip.gateway.address}:9091"
}

output "ssh" {
  description = "How to log in. 登录命令。"
  value       = "ssh root@${huaweicloud_vpc_eip.gateway.address}"
}
