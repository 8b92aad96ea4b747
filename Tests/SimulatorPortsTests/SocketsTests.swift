import Glibc
import Testing

@testable import SimulatorPorts

@Suite("The sockets of a simulator")
struct SocketsTests {
    @Test("what a full connection does not take now is no end of it")
    func full() {
        var ends: [Int32] = [-1, -1]
        let kind = Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
        #expect(unsafe socketpair(AF_UNIX, kind, 0, &ends) == 0)
        defer { for end in ends { close(end) } }
        let bytes = [UInt8](repeating: 1, count: 65_536)
        var written = bytes.count
        while written > 0 { written = Sockets.write(bytes[...], to: ends[0]) ?? -1 }
        #expect(written == 0)
        var buffer = [UInt8](repeating: 0, count: 4_096)
        guard case .bytes = Sockets.read(ends[1], into: &buffer),
            case .nothing = Sockets.read(ends[0], into: &buffer)
        else {
            Issue.record("what was written does not arrive, or what is silent has ended")
            return
        }
    }
}
