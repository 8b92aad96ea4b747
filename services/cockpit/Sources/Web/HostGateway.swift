import ServiceRuntime

/// The address as which the host of a container reaches a port that it publishes. It is the
/// gateway of the network to which the container's default route leads: Docker publishes ports by
/// that network.
enum HostGateway {
    static let path = "/proc/net/route"
    /// A container has a handful of routes.
    static let bytesMax = 65_536
    /// `RTF_GATEWAY` of the kernel: the route leads by a gateway.
    private static let gatewayFlag: UInt32 = 2

    /// `read` reads the kernel's table of routes.
    static func find(_ read: FileReading) throws(SettingsError) -> String {
        let table: String
        switch read(path, bytesMax) {
        case .success(let content): table = String(decoding: content.bytes, as: UTF8.self)
        case .failure(let problem):
            throw SettingsError("COCKPIT_ON_HOST_LOOPBACK: \(path) \(problem)")
        }
        guard let address = address(in: table) else {
            throw SettingsError(
                "COCKPIT_ON_HOST_LOOPBACK: \(path) has no default route, so nothing is known of "
                    + "the host; give the container a network with a gateway")
        }
        return address
    }

    /// Returns the gateway of the default route with the least metric.
    static func address(in table: String) -> String? {
        var best: (metric: Int, address: String)?
        for line in table.split(separator: "\n").dropFirst() {
            let fields = line.split { $0 == "\t" || $0 == " " }
            // Interface, destination, gateway, flags, references, use, metric, mask.
            guard fields.count >= 8, fields[1] == "00000000", fields[7] == "00000000",
                let flags = UInt32(fields[3], radix: 16), flags & gatewayFlag != 0,
                let metric = Int(fields[6]), let bits = UInt32(fields[2], radix: 16), bits != 0
            else { continue }
            if let best, best.metric <= metric { continue }
            best = (metric, text(of: bits))
        }
        return best?.address
    }

    /// The kernel writes the address's bytes, as they are in memory, as one number.
    private static func text(of bits: UInt32) -> String {
        let number = UInt32(bigEndian: bits)
        return [24, 16, 8, 0].map { "\(number >> UInt32($0) & 0xff)" }.joined(separator: ".")
    }
}
