internal import Glibc
internal import ServiceRuntime

/// A client of a control port: it sends one command and reads one answer.
struct CommandLink {
    /// How long to wait for the answer. A running simulator answers within a step.
    private static let timeout: Duration = .seconds(2)

    private let address: String
    private let port: UInt16

    init(_ address: String, _ port: UInt16) {
        // A simulator that listens on all addresses is reached on this machine.
        self.address = address == "0.0.0.0" ? "127.0.0.1" : address
        self.port = port
    }

    private var place: String { "\(address):\(port)" }

    func tell(_ command: String) throws(SimulatorFailure) -> String {
        let descriptor = try Sockets.connect(address: address, port: port)
        defer { close(descriptor) }
        guard LineFile.writeAll(Array((command + "\n").utf8)[...], to: descriptor) else {
            throw .noAnswer(place)
        }
        let deadline = SystemClock().deadline(after: Self.timeout)
        var answer: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4_096)
        while answer.count <= PortLimits.controlAnswerBytesMax {
            let left = SystemClock().remaining(until: deadline)
            var wanted = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            guard left > .zero, unsafe poll(&wanted, 1, left.pollMilliseconds) > 0,
                case .bytes(let bytes) = Sockets.read(descriptor, into: &buffer)
            else { break }
            answer += bytes
            if let end = answer.firstIndex(of: UInt8(ascii: "\n")) {
                return String(decoding: answer[..<end], as: UTF8.self)
            }
        }
        throw .noAnswer(place)
    }
}
