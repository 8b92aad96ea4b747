import Glibc
import Membership
import TestSupport
import Testing

@testable import TapelineTool
@testable import TapelineToolTests

@Suite("Ports of a stack")
struct StackPortTests {
    @Test("ports stay as long as they are free, else they are chosen anew")
    func ports() throws {
        let folder = try TemporaryFolder()
        let home = try madeHome(folder)
        let first = try StackPorts.open(home)
        let names = StackPorts.Name.allCases
        #expect(Set(names.map { first[$0] }).count == names.count)
        #expect(try StackPorts.read(home) == first)
        let listener = try Listener(port: first[.postgres])
        // A stack that is up keeps its ports, whatever is planned beside it.
        let store = try #require(GroupName("store-b"))
        let planned = try StackPorts.planned(home, writersOf: [store])
        #expect(names.map { planned[$0] } == names.map { first[$0] })
        #expect(try StackPorts.read(home) == first)
        let second = try withExtendedLifetime(listener) { try StackPorts.open(home) }
        #expect(second[.postgres] != first[.postgres])
        try FileSystem.write(Array("{\"nats\":20000}".utf8), to: home.ports)
        #expect(try StackPorts.read(home) == nil)
        #expect(try StackPorts.open(home)[.nats] >= StackPorts.range.lowerBound)
    }
}

/// Another process's server.
private final class Listener {
    private let descriptor: Int32

    init(port: UInt16) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        let size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isListening = unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe bind(descriptor, $0, size) == 0 && listen(descriptor, 8) == 0
            }
        }
        try #require(isListening)
    }

    deinit { close(descriptor) }
}
