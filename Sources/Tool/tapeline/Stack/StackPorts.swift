internal import Glibc
import Membership
import Primitives

/// The ports of one stack on 127.0.0.1. They are chosen at its first start and kept, unless another
/// process takes one while the stack is down.
struct StackPorts: Equatable, Sendable {
    enum Name: String, CaseIterable {
        case nats, natsMonitor, postgres, valkey, gateway, operatorA, operatorB, writer
        case cockpit, cockpitPages, prometheus, alertmanager
        case simulator, simulatorControl, binanceSimulator, binanceSimulatorControl
        case alpacaSimulator, alpacaSimulatorControl, massiveSimulator, massiveSimulatorControl
    }

    /// Below the ports that the kernel uses for outgoing connections. One of those could block the
    /// port while a server restarts.
    static let range: ClosedRange<UInt16> = 20_000...29_999

    private static let gatewaysName = "gateways"
    private static let writersName = "writers"

    private var numbers: [Name: UInt16]
    /// The ports of further gateways, by their source.
    private var gateways: [String: UInt16]
    /// The ports of the writers of further stores.
    private var writers: [String: UInt16]

    subscript(name: Name) -> UInt16 { numbers[name] ?? 0 }

    /// Returns the port of a further gateway.
    subscript(gateway source: String) -> UInt16 { gateways[source] ?? 0 }

    /// Returns the port of the writer of a further store.
    subscript(writerOf store: GroupName) -> UInt16 { writers[store.text] ?? 0 }

    init(
        _ numbers: [Name: UInt16], gateways: [String: UInt16] = [:],
        writers: [String: UInt16] = [:]
    ) {
        self.numbers = numbers
        self.gateways = gateways
        self.writers = writers
    }

    private var all: [UInt16] {
        Array(numbers.values) + Array(gateways.values) + Array(writers.values)
    }

    /// Returns the ports of the file if all of them are free. Otherwise chooses new ones and writes
    /// them to the file. `sources` are those that have a further gateway, `stores` are the further
    /// stores.
    static func open(
        _ home: StackHome, gatewaysOf sources: [String] = [], writersOf stores: [GroupName] = []
    ) throws(ToolError) -> StackPorts {
        let known = try read(home)
        var ports = known ?? StackPorts([:])
        if !ports.all.allSatisfy(isFree) { ports = StackPorts([:]) }
        try ports.complete(gatewaysOf: sources, writersOf: stores)
        if ports != known { try FileSystem.write(ports.json, to: home.ports) }
        return ports
    }

    /// Returns the ports of the file, and others where it lacks some. Nothing is written, because
    /// the stack may be up, with these ports.
    static func planned(
        _ home: StackHome, writersOf stores: [GroupName]
    ) throws(ToolError) -> StackPorts {
        var ports = try read(home) ?? StackPorts([:])
        try ports.complete(gatewaysOf: [], writersOf: stores)
        return ports
    }

    private mutating func complete(
        gatewaysOf sources: [String], writersOf stores: [GroupName]
    ) throws(ToolError) {
        for name in Name.allCases where numbers[name] == nil { numbers[name] = try another() }
        for source in sources where gateways[source] == nil {
            gateways[source] = try another()
        }
        for store in stores where writers[store.text] == nil {
            writers[store.text] = try another()
        }
    }

    /// Returns `nil` before the first start, or if the file is damaged. It is then replaced.
    static func read(_ home: StackHome) throws(ToolError) -> StackPorts? {
        guard let bytes = try FileSystem.read(home.ports) else { return nil }
        return parse(bytes)
    }

    /// Returns the ports of a stack that was started.
    static func present(_ home: StackHome) throws(ToolError) -> StackPorts {
        guard let ports = try read(home) else {
            throw .damaged(path: home.ports, problem: "no ports of a stack")
        }
        return ports
    }

    static func parse(_ bytes: [UInt8]) -> StackPorts? {
        guard let document = parsedJSON(bytes) else { return nil }
        var numbers: [Name: UInt16] = [:]
        for name in Name.allCases {
            guard let number = document[name.rawValue]?.int.flatMap(UInt16.init(exactly:)),
                range.contains(number)
            else { return nil }
            numbers[name] = number
        }
        guard let gateways = further(document[gatewaysName]),
            let writers = further(document[writersName])
        else { return nil }
        let ports = StackPorts(numbers, gateways: gateways, writers: writers)
        return Set(ports.all).count == ports.all.count ? ports : nil
    }

    private static func further(_ object: JSONValue?) -> [String: UInt16]? {
        var ports: [String: UInt16] = [:]
        for member in object?.members ?? [] {
            guard let number = member.value.int.flatMap(UInt16.init(exactly:)),
                range.contains(number)
            else { return nil }
            ports[member.key] = number
        }
        return ports
    }

    var json: [UInt8] {
        var writer = JSONWriter()
        writer.object { writer in
            for name in Name.allCases { writer.member(name.rawValue, self[name]) }
            for (name, further) in [(Self.gatewaysName, gateways), (Self.writersName, writers)]
            where !further.isEmpty {
                writer.object(name) { writer in
                    for (key, port) in further.sorted(by: { $0.key < $1.key }) {
                        writer.member(key, port)
                    }
                }
            }
        }
        return writer.bytes + Array("\n".utf8)
    }

    /// Returns a free port that is none of these.
    private func another() throws(ToolError) -> UInt16 {
        var random = SystemRandomNumberGenerator()
        var candidate = UInt16.random(in: Self.range, using: &random)
        let taken = Set(all)
        for _ in Self.range {
            if !taken.contains(candidate), Self.isFree(candidate) { return candidate }
            candidate =
                candidate == Self.range.upperBound ? Self.range.lowerBound : candidate + 1
        }
        throw .noFreePort
    }

    /// Returns whether a server could listen on the port now. Remains of old connections are
    /// ignored.
    static func isFree(_ port: UInt16) -> Bool {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        var enabled: Int32 = 1
        let size = socklen_t(MemoryLayout<Int32>.size)
        unsafe setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &enabled, size)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        return unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
                    && listen(descriptor, 1) == 0
            }
        }
    }
}

/// Returns `nil` for anything that is not JSON. The files of a stack are only notes, and are
/// written again when damaged.
func parsedJSON(_ bytes: [UInt8]) -> JSONValue? {
    do {
        return try JSONValue.parse(bytes)
    } catch {
        return nil
    }
}
