import Foundation
import Glibc
import Synchronization

/// Carries the bytes between two servers of a cluster, and cuts their links on request. A separate
/// thread carries them. It ends with the value.
final class RouteRelay: Sendable {
    struct State: Sendable {
        var isCut = false
        var isEnding = false
        var links = 0
    }

    let port: UInt16
    private let state: RelayState

    /// Relays to a port of this machine.
    init(to target: UInt16) throws {
        guard let listener = ProxySocket.listen() else {
            throw TestServerFailure(description: "no port for a relay")
        }
        port = listener.port
        let state = RelayState()
        self.state = state
        Thread.detachNewThread {
            var pump = RelayPump(listener: listener.descriptor, target: target)
            pump.run(state)
        }
    }

    deinit { state.value.withLock { $0.isEnding = true } }

    /// Ends all links. New ones end at once, until `join`. Returns when the links have ended.
    func cut() {
        state.value.withLock { $0.isCut = true }
        _ = eventually { state.value.withLock { $0.links == 0 } }
    }

    func join() { state.value.withLock { $0.isCut = false } }
}

final class RelayState: Sendable {
    let value = Mutex(RouteRelay.State())
}

/// The thread of a relay.
private struct RelayPump {
    /// One direction of a link: what was read and is not written yet.
    private struct Flow {
        let from: Int32
        let to: Int32
        var waiting: [UInt8] = []
        var hasEnded = false
    }

    private static let waitingBytesMax = 4 * 1_048_576
    private static let readBytes = 65_536
    /// The time after which a request of the owner is noticed.
    private static let turnMilliseconds: Int32 = 20

    private let listener: Int32
    private let target: UInt16
    private var links: [(there: Flow, back: Flow)] = []
    private var buffer = [UInt8](repeating: 0, count: readBytes)

    init(listener: Int32, target: UInt16) {
        self.listener = listener
        self.target = target
    }

    mutating func run(_ state: RelayState) {
        while true {
            let now = state.value.withLock { $0 }
            if now.isEnding || now.isCut { removeLinks { _ in true } }
            if now.isEnding { break }
            let count = links.count
            state.value.withLock { $0.links = count }
            wait()
            accept(isCut: now.isCut)
            for index in links.indices {
                Self.carry(&links[index].there, &buffer)
                Self.carry(&links[index].back, &buffer)
            }
            removeLinks { $0.there.hasEnded || $0.back.hasEnded }
        }
        close(listener)
    }

    private mutating func removeLinks(_ isMeant: ((there: Flow, back: Flow)) -> Bool) {
        for link in links where isMeant(link) {
            close(link.there.from)
            close(link.there.to)
        }
        links.removeAll(where: isMeant)
    }

    private func wait() {
        var polled = [pollfd(fd: listener, events: Int16(POLLIN), revents: 0)]
        for link in links {
            for (flow, other) in [(link.there, link.back), (link.back, link.there)] {
                var events: Int32 = 0
                if flow.waiting.count < Self.waitingBytesMax { events |= POLLIN }
                if !other.waiting.isEmpty { events |= POLLOUT }
                polled.append(pollfd(fd: flow.from, events: Int16(events), revents: 0))
            }
        }
        _ = unsafe poll(&polled, nfds_t(polled.count), Self.turnMilliseconds)
    }

    private mutating func accept(isCut: Bool) {
        while true {
            let client = Glibc.accept(listener, nil, nil)
            guard client >= 0 else { return }
            guard !isCut, let peer = LoopbackSocket.connect(to: target) else {
                close(client)
                continue
            }
            for end in [client, peer] { ProxySocket.setNonBlocking(end) }
            links.append((Flow(from: client, to: peer), Flow(from: peer, to: client)))
        }
    }

    private static func carry(_ flow: inout Flow, _ buffer: inout [UInt8]) {
        while flow.waiting.count < waitingBytesMax {
            let count = unsafe recv(flow.from, &buffer, buffer.count, 0)
            if count > 0 {
                flow.waiting += buffer[..<count]
                continue
            }
            if count == 0 || (errno != EAGAIN && errno != EINTR) { flow.hasEnded = true }
            break
        }
        while !flow.waiting.isEmpty {
            let sent = unsafe flow.waiting.withUnsafeBytes { bytes in
                unsafe send(flow.to, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL))
            }
            guard sent > 0 else {
                if errno != EAGAIN, errno != EINTR { flow.hasEnded = true }
                return
            }
            flow.waiting.removeFirst(sent)
        }
    }
}
