variable "name" {
  description = "Name of the server and what belongs to it."
  type        = string
  default     = "pushgateway"
}

variable "availability_zone" {
  type = string
}

variable "subnet_id" {
  description = "The subnet of the server, as huaweicloud_vpc_subnet has its id."
  type        = string
}

variable "clients_cidr" {
  description = "From where jobs push and Prometheus scrapes."
  type        = string
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
  description = "A Kunpeng flavour: a gateway with a million series needs 1 GiB."
  type        = string
  default     = "kc1.large.2"
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
