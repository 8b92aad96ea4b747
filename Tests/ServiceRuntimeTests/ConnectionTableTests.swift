import Primitives
import Testing

@testable import ServiceRuntime

@Suite struct ConnectionTableTests {
    private static let second: Int64 = 1_000_000_000

    private func time(_ seconds: Int64) -> MonotonicTime {
        MonotonicTime(nanoseconds: seconds * ConnectionTableTests.second)
    }

    private func peer(_ number: UInt64) -> PeerAddress { PeerAddress(network: number) }

    private func table(total: Int = 4, perAddress: Int = 2) -> ConnectionTable {
        var limits = OperationsLimits()
        limits.connectionsMax = total
        limits.connectionsPerAddressMax = perAddress
        limits.requestDeadline = .seconds(5)
        limits.keptConnectionDeadline = .seconds(60)
        limits.pendingAnswerBytesMax = 100
        return ConnectionTable(limits: limits)
    }

    @Test("A deadline counts from the start of the connection and is told once")
    func deadline() {
        var table = table()
        #expect(table.nextDeadline == .never)
        #expect(table.opened(3, by: peer(1), at: time(0)) == nil)
        #expect(table.opened(4, by: peer(1), at: time(1)) == nil)
        #expect(table.nextDeadline == time(5))
        #expect(table.expired(at: time(4)) == [])
        #expect(table.expired(at: time(5)) == [3])
        #expect(table.expired(at: time(5)) == [])
        #expect(table.nextDeadline == time(6))
        table.closed(3)
        #expect(table.count == 1)
    }

    @Test("After an answer the connection is kept; the next header starts a shorter deadline")
    func kept() {
        var table = table()
        _ = table.opened(3, by: peer(1), at: time(0))
        table.requestArrived(3, at: time(2))
        #expect(table.nextDeadline == time(5))
        table.answered(3, at: time(3))
        #expect(table.nextDeadline == time(63))
        table.requestArrived(3, at: time(10))
        #expect(table.nextDeadline == time(15))
        table.answered(3, at: time(11))
        #expect(table.nextDeadline == time(71))
    }

    @Test("Over the limit of an address goes its connection with the nearest deadline")
    func perAddress() {
        var table = table()
        _ = table.opened(3, by: peer(1), at: time(0))
        table.answered(3, at: time(0))
        _ = table.opened(4, by: peer(1), at: time(1))
        _ = table.opened(5, by: peer(2), at: time(0))
        // 3 is a kept connection. It outlives the one that is in the middle of a request.
        #expect(table.opened(6, by: peer(1), at: time(2)) == 4)
        // A cut connection no longer counts, even before it is closed.
        #expect(table.opened(7, by: peer(1), at: time(3)) == 6)
        #expect(table.count == 5)
    }

    @Test("Over the total limit goes a connection of the address that holds most")
    func total() {
        var table = table(total: 3, perAddress: 2)
        _ = table.opened(3, by: peer(1), at: time(0))
        _ = table.opened(4, by: peer(2), at: time(1))
        _ = table.opened(5, by: peer(2), at: time(2))
        #expect(table.opened(6, by: peer(3), at: time(3)) == 4)
        table.closed(4)
        #expect(table.opened(7, by: peer(4), at: time(4)) == 3)
    }

    @Test("When descriptors are short, one goes at a time, until none is left")
    func shortage() {
        var table = table()
        _ = table.opened(3, by: peer(1), at: time(1))
        _ = table.opened(4, by: peer(2), at: time(0))
        #expect(table.victimOfShortage() == 4)
        #expect(table.victimOfShortage() == 3)
        #expect(table.victimOfShortage() == nil)
        #expect(table.nextDeadline == .never)
    }

    @Test("Answers reserve room until they are through, given up or closed")
    func pendingBytes() {
        var table = table()
        _ = table.opened(3, by: peer(1), at: time(0))
        _ = table.opened(4, by: peer(2), at: time(0))
        #expect(table.reserve(60, for: 3) == true)
        #expect(table.reserve(41, for: 4) == false)
        #expect(table.reserve(40, for: 4) == true)
        #expect(table.pendingAnswerBytes == 100)
        table.answered(3, at: time(1))
        #expect(table.pendingAnswerBytes == 40)
        table.closed(4)
        #expect(table.pendingAnswerBytes == 0)
        // A single answer may be larger than the limit.
        #expect(table.reserve(1_000, for: 3) == true)
        #expect(table.pendingAnswerBytes == 1_000)
    }

    @Test("Connections it does not know change nothing")
    func unknown() {
        var table = table()
        table.requestArrived(9, at: time(0))
        table.answered(9, at: time(0))
        table.closed(9)
        #expect(table.reserve(10, for: 9) == true)
        #expect(table.count == 0 && table.pendingAnswerBytes == 0)
    }

    @Test(
        "Addresses share a limit by IPv4 address or IPv6 network",
        arguments: [
            ("10.0.0.1", "10.0.0.1", true), ("10.0.0.1", "10.0.0.2", false),
            ("::ffff:10.0.0.1", "10.0.0.1", true), ("2001:db8::1", "2001:db8::2", true),
            ("2001:db8::1", "2001:db8:0:1::1", false), ("localhost", "127.0.0.1", true),
        ])
    func addresses(one: String, other: String, isSame: Bool) throws {
        let first = try #require(SocketAddress(host: one, port: 1))
        let second = try #require(SocketAddress(host: other, port: 65_535))
        #expect((first.peer == second.peer) == isSame)
        #expect(first.port == 1 && second.port == 65_535)
    }

    @Test("What is no number is no address", arguments: ["", "host", "1.2.3", "1.2.3.4.5", ":::"])
    func noAddress(text: String) { #expect(SocketAddress(host: text, port: 1) == nil) }
}
