output "url" {
  description = "Where jobs push, and Prometheus scrapes /metrics."
  value       = "http://${huaweicloud_compute_instance.gateway.access_ip_v4}:9091"
}

output "public_ip" {
  description = "The public address (EIP), null if there is none."
  value       = var.eip_bandwidth_mbit > 0 ? huaweicloud_vpc_eip.own[0].address : null
}
