variable "name" {
  description = "Name of the server and what belongs to it."
  type        = string
  default     = "pushgateway"
}

variable "availability_zone" {
  type = string
}

variable "subnet_id" {
  description = "The subnet of the server, as huaweicloud_vpc_subnet has its id. The module makes a VPC and a subnet if null."
  type        = string
  default     = null
}

variable "network_cidr" {
  description = "Addresses of the VPC and the subnet that the module makes."
  type        = string
  default     = "192.168.0.0/24"
}

variable "eip_bandwidth_mbit" {
  description = "Bandwidth of a public address (EIP), billed by traffic, 1 to 300. None if 0: then package_url must be reachable without one."
  type        = number
  default     = 0
}

variable "clients_cidr" {
  description = "From where jobs push and Prometheus scrapes."
  type        = string
}

variable "ssh_cidr" {
  description = "From where SSH (port 22) is open. Closed if null."
  type        = string
  default     = null
}

variable "key_pair" {
  description = "SSH key pair to log in with. None, so that nobody can, if null."
  type        = string
  default     = null
}

variable "image_name" {
  description = "EulerOS 2.0 for Kunpeng, or what deploy/packer has built."
  type        = string
  default     = "Huawei Cloud EulerOS 2.0 Standard 64 bit for ARM"
}

variable "flavor_id" {
  description = "A Kunpeng flavour: kc1.xlarge.4 has 4 vCPUs and 16 GiB. A gateway with a million series needs 1 GiB, so kc1.large.2 does, too."
  type        = string
  default     = "kc1.xlarge.4"
}

variable "system_disk_gib" {
  description = "Size of the system disk."
  type        = number
  default     = 50
}

variable "data_disk_gib" {
  description = "Size of the disk for the groups; a million series takes less than 1 GiB."
  type        = number
  default     = 10
}

variable "package_url" {
  description = "Where the server gets the .rpm for aarch64 at its first boot. Null if the image has it already."
  type        = string
  default     = null
}

variable "package_sha256" {
  description = "Its checksum, from SHA256SUMS."
  type        = string
  default     = ""
}

variable "args" {
  description = "Flags of the gateway, like --push.ttl=7d."
  type        = list(string)
  default     = []
}
