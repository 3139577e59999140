output "url" {
  description = "Where jobs push, and Prometheus scrapes /metrics."
  value       = "http://${huaweicloud_compute_instance.gateway.access_ip_v4}:9091"
}
