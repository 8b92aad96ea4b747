import DeploymentWatch

extension ClockOffset {
    func finding(_ part: Finding.Part, of server: String) -> Finding {
        guard let difference = difference(of: server) else {
            return Finding(.fine, part, "the clocks of this machine and of \(server) agree")
        }
        return Finding(
            certain >= Self.wrongSeconds ? .wrong : .warning, part, difference,
            "set both by NTP (chrony, systemd-timesyncd): watermarks and ages follow the clocks")
    }
}
