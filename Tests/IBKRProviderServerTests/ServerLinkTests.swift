import Glibc
import Primitives
import ProviderKit
import ServiceRuntime
import TestSupport
import Testing

@testable import IBKRProvider
@testable import IBKRProviderTests

@Suite("The connection to TWS")
struct ServerLinkTests {
    private let wake: WakeEvent
    private let server: TestServer

    init() throws {
        wake = try WakeEvent()
        server = try TestServer()
    }

    private func link(_ host: String = "127.0.0.1", port: UInt16) -> ServerLink {
        ServerLink(
            IBKRSettings.Server(host: host, port: port, connectTimeout: 5_000_000_000), wake: wake)
    }

    /// Steps until there is news. The link's own time does not advance.
    private func news(of link: ServerLink, now: MonotonicTime = .at(0)) -> ServerLink.Change? {
        var found: ServerLink.Change?
        _ = eventually {
            var entry = link.interest(isReading: true)
            let isReady = unsafe poll(&entry, 1, 5) > 0
            let failure = Int16(POLLERR) | Int16(POLLHUP)
            let isWritable = isReady && entry.revents & (Int16(POLLOUT) | failure) != 0
            found = link.advance(isWritable: isWritable, now: now)
            return found != nil
        }
        return found
    }

    private func isConnected(_ news: ServerLink.Change?) -> Bool {
        if case .connected? = news { true } else { false }
    }

    private func reason(_ news: ServerLink.Change?) -> String {
        switch news {
        case .connectFailed(let reason)?, .lost(let reason)?: reason
        case .connected?, nil: ""
        }
    }

    private func connected() -> ServerLink {
        let link = link(port: server.port)
        link.connect(now: .at(0))
        #expect(isConnected(news(of: link)))
        return link
    }

    /// Returns the server's end of the connection, after the first message has arrived.
    private func greeted(_ link: ServerLink) throws -> TestServer.Peer {
        let isTaken = link.send(Array("hello".utf8), now: .at(0)) == nil
        #expect(isTaken)
        let peer = try #require(server.accept())
        #expect(peer.read(5) == Array("hello".utf8))
        return peer
    }

    @Test("an address connects, and what is sent arrives")
    func connects() throws {
        let link = link(port: server.port)
        #expect(link.deadline == .never && link.interest(isReading: true).fd < 0)
        link.connect(now: .at(0))
        #expect(link.deadline == .at(5_000_000_000))
        #expect(isConnected(news(of: link)))
        #expect(link.isOpen && link.deadline == .never)
        let peer = try greeted(link)
        peer.write(Array("you".utf8))
        var buffer = [UInt8](repeating: 0, count: 64)
        #expect(eventually { if case .bytes(3) = link.read(into: &buffer) { true } else { false } })
        #expect(buffer[..<3].elementsEqual("you".utf8))
        guard case .nothing = link.read(into: &buffer) else {
            Issue.record("there is more to read")
            return
        }
        peer.end()
        #expect(eventually { if case .ended = link.read(into: &buffer) { true } else { false } })
        link.close()
        #expect(!link.isOpen && link.interest(isReading: true).fd < 0)
    }

    @Test("a port where nobody listens is told at once, with what to do")
    func refused() throws {
        let port = try TestServer().port
        let link = link(port: port)
        link.connect(now: .at(0))
        let reason = reason(news(of: link))
        #expect(reason.contains("127.0.0.1:\(port)") && reason.contains("refused"), "\(reason)")
        #expect(!link.isOpen && link.deadline == .never)
    }

    @Test("a name is looked up on another thread, and each of its addresses is tried")
    func name() {
        let link = link("localhost", port: server.port)
        link.connect(now: .at(0))
        // If the machine has ::1, it refuses.
        #expect(isConnected(news(of: link)))
    }

    @Test("a name without an address is a failed attempt, and so is one that takes too long")
    func noName() {
        let link = link("no-such-host.invalid", port: 4_001)
        link.connect(now: .at(0))
        let reason = reason(news(of: link, now: .at(5_000_000_000)))
        #expect(reason.contains("no-such-host.invalid"), "\(reason)")
        #expect(!link.isOpen)
    }

    @Test("a server that does not answer in time is a failed attempt")
    func timeout() {
        let link = link(port: server.port)
        link.connect(now: .at(7))
        let early = [MonotonicTime.at(7), .at(5_000_000_006)].compactMap {
            link.advance(isWritable: false, now: $0)
        }
        #expect(early.isEmpty)
        let reason = reason(link.advance(isWritable: false, now: .at(5_000_000_007)))
        #expect(reason.contains("did not answer within 5.0 s"), "\(reason)")
    }

    @Test("an address that never answers leaves the others of its name their share of the time")
    func silentAddress() throws {
        let silent = try TestServer()
        let found = try [silent, silent, server].flatMap {
            try RemoteAddress.all(host: "127.0.0.1", port: $0.port, isNumeric: true)
        }
        let link = ServerLink(
            IBKRSettings.Server(host: "tws", port: 4_001, connectTimeout: 6_000_000_000)
        ) { .found(found) }
        link.connect(now: .at(0))
        // The first two never become writable.
        for (now, deadline) in [(0, 2), (2, 4), (4, 6)] as [(Int64, Int64)] {
            let early = link.advance(isWritable: false, now: .at(max(0, now * 1_000_000_000 - 1)))
            let news = link.advance(isWritable: false, now: .at(now * 1_000_000_000))
            #expect(early == nil && news == nil)
            #expect(link.deadline == .at(deadline * 1_000_000_000))
        }
        #expect(isConnected(news(of: link, now: .at(4_000_000_000))))
        _ = try greeted(link)

        link.connect(now: .at(0))
        for now in [0, 2, 4] as [Int64] {
            let news = link.advance(isWritable: false, now: .at(now * 1_000_000_000))
            #expect(news == nil)
        }
        let reason = reason(link.advance(isWritable: false, now: .at(6_000_000_000)))
        #expect(reason.contains("tws:4001 did not answer within 6.0 s"), "\(reason)")
    }

    @Test("a broken connection of which nothing is wanted at the moment wakes nobody")
    func passedOver() throws {
        let link = connected()
        try #require(server.accept()).reset()
        var reading = link.interest(isReading: true)
        #expect(unsafe poll(&reading, 1, 10_000) == 1)
        var full = link.interest(isReading: false)
        #expect(unsafe poll(&full, 1, 0) == 0)
        var buffer = [UInt8](repeating: 0, count: 64)
        guard case .failed = link.read(into: &buffer) else {
            Issue.record("the connection is not broken")
            return
        }
    }

    @Test("a server that reads nothing for ten seconds is lost")
    func stuck() {
        let link = connected()
        let much = [UInt8](repeating: 1, count: 256 * 1_024)
        // The kernel's buffers fill first.
        var isTaken = true
        let isFull = eventually {
            isTaken = isTaken && link.send(much, now: .at(0)) == nil
            return link.deadline != .never
        }
        #expect(isTaken && isFull)
        #expect(link.deadline == .at(10_000_000_000))
        let early = link.advance(isWritable: true, now: .at(9_999_999_999))
        #expect(early == nil)
        let reason = reason(link.advance(isWritable: true, now: .at(10_000_000_000)))
        #expect(reason.contains("has read nothing for 10.0 s"), "\(reason)")
    }

    @Test("what waits for a server has a maximum")
    func overflow() {
        let link = connected()
        let much = [UInt8](repeating: 1, count: SendBuffer.bytesMax)
        var last: ServerLink.Change?
        #expect(
            eventually {
                last = link.send(much, now: .at(0))
                return last != nil
            })
        #expect(reason(last).contains("does not read"))
    }
}

@Suite("Bytes that wait for TWS")
struct SendBufferTests {
    @Test("the time runs from the last byte that was taken")
    func time() {
        var buffer = SendBuffer()
        #expect(buffer.isEmpty && buffer.stuckSince == nil)
        let first = buffer.append([1, 2, 3], now: .at(5))
        #expect(first && buffer.stuckSince == .at(5))
        let second = buffer.append([4], now: .at(9))
        #expect(second && buffer.stuckSince == .at(5))
        buffer.noteSent(0, now: .at(10))
        #expect(buffer.stuckSince == .at(5))
        buffer.noteSent(2, now: .at(11))
        #expect(buffer.stuckSince == .at(11) && buffer.bytes[buffer.start...] == [3, 4])
        buffer.noteSent(2, now: .at(12))
        #expect(buffer.isEmpty && buffer.stuckSince == nil && buffer.start == 0)
        let nothing = buffer.append([], now: .at(13))
        #expect(nothing && buffer.stuckSince == nil)
    }

    @Test("beyond its maximum nothing is let in")
    func maximum() {
        var buffer = SendBuffer()
        let all = [UInt8](repeating: 0, count: SendBuffer.bytesMax)
        let isIn = [buffer.append(all, now: .at(0)), buffer.append([1], now: .at(0))]
        #expect(isIn == [true, false] && buffer.bytes.count == SendBuffer.bytesMax)
        buffer.noteSent(1, now: .at(0))
        let isInNow = buffer.append([1], now: .at(0))
        #expect(isInNow)
        buffer.removeAll()
        #expect(buffer.isEmpty && buffer.stuckSince == nil)
    }

    @Test("A peer that always reads but never everything does not make it grow")
    func neverEmpty() {
        var buffer = SendBuffer()
        var areIn = buffer.append([0], now: .at(0))
        // Twice as many bytes as may wait.
        let rounds = 2 * SendBuffer.bytesMax / 100
        for round in 1...rounds {
            let bytes = [UInt8](repeating: UInt8(round % 251), count: 100)
            areIn = buffer.append(bytes, now: .at(0)) && areIn
            buffer.noteSent(100, now: .at(0))
        }
        #expect(areIn && buffer.bytes.count < SendBuffer.bytesMax)
        #expect(buffer.bytes.suffix(from: buffer.start) == [UInt8(rounds % 251)])
        buffer.noteSent(1, now: .at(0))
        #expect(buffer.isEmpty && buffer.stuckSince == nil)
    }
}
