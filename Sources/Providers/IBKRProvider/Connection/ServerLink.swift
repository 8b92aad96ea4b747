internal import Glibc
internal import Primitives
internal import ProviderKit
internal import ServiceRuntime
internal import MarketModel

/// The one connection to TWS: it looks its name up, connects, reads and writes. `ConnectionLoop`
/// owns it. None of its calls blocks, and every state that waits has a deadline, at which `advance`
/// has to be called.
///
///     closed -> looking up -> connecting -> open -> closed
final class ServerLink {
    /// What has happened to the connection. The texts are reasons for people.
    enum Change {
        case connected
        /// No address of the server can be reached. The link is closed.
        case connectFailed(String)
        /// The connection broke, or TWS does not read. The caller closes it.
        case lost(String)
    }

    private enum State {
        case closed
        /// The addresses of the name are awaited. Times are monotonic.
        case lookingUp(until: MonotonicTime)
        /// An address is tried. The next one is tried at `next`; the attempt ends at `until`.
        case connecting(until: MonotonicTime, next: MonotonicTime)
        case open
    }

    private let settings: IBKRSettings.Server
    private let lookUpAddresses: () -> NameLookup.Answer
    private var state = State.closed
    private var socket: ClientSocket?
    /// The addresses that this attempt has not tried yet.
    private var addresses: ArraySlice<RemoteAddress> = []
    /// The bytes that the socket has not accepted yet.
    private var pending = SendBuffer()
    /// Why the last address could not be reached, which is reported if no address is left.
    private var refusal = ""

    /// `addresses`: returns the server's addresses. It is called again while they are pending.
    init(_ settings: IBKRSettings.Server, addresses: @escaping () -> NameLookup.Answer) {
        self.settings = settings
        lookUpAddresses = addresses
    }

    convenience init(_ settings: IBKRSettings.Server, wake: WakeEvent) {
        let lookup = NameLookup(host: settings.host, port: settings.port) { wake.wake() }
        self.init(settings) {
            let answer = lookup.ask()
            guard case .failed(let reason) = answer else { return answer }
            return .failed("\(reason): check IBKR_HOST")
        }
    }

    private var name: String { "\(settings.host):\(settings.port)" }

    var isOpen: Bool {
        if case .open = state { true } else { false }
    }

    // MARK: waiting

    /// Returns what `poll` has to wait for. `isReading`: the caller can take bytes. The descriptor
    /// is negative when nothing is wanted, so that `poll` skips it: otherwise `poll` would report a
    /// broken connection immediately and each time.
    func interest(isReading: Bool) -> pollfd {
        let events: Int16 =
            switch state {
            case .closed, .lookingUp: 0
            case .connecting: Int16(POLLOUT)
            case .open:
                (isReading ? Int16(POLLIN) : 0) | (pending.isEmpty ? 0 : Int16(POLLOUT))
            }
        return pollfd(fd: events == 0 ? -1 : descriptor, events: events, revents: 0)
    }

    private var descriptor: Int32 { socket == nil ? -1 : socket?.descriptor ?? -1 }

    /// When `advance` has to be called at the latest, monotonic.
    var deadline: MonotonicTime {
        switch state {
        case .closed: .never
        case .lookingUp(let until): until
        case .connecting(_, let next): next
        case .open:
            pending.stuckSince.map { $0 + settings.sendTimeout } ?? .never
        }
    }

    // MARK: connecting

    /// Begins an attempt to connect. `advance` reports how it ends.
    func connect(now: MonotonicTime) {
        close()
        state = .lookingUp(until: now + settings.connectTimeout)
        refusal = ""
    }

    /// Continues the look-up, the attempt to connect, or sending. `isWritable`: `poll` reported
    /// that the socket takes bytes, or that the attempt has ended. Returns `nil` when nothing has
    /// changed.
    func advance(isWritable: Bool, now: MonotonicTime) -> Change? {
        switch state {
        case .closed: nil
        case .lookingUp(let until): lookUp(until: until, now: now)
        case .connecting(let until, let next):
            if isWritable {
                finishAttempt(until: until, now: now)
            } else if now >= next {
                skipAddress(until: until, now: now)
            } else {
                nil
            }
        case .open: flush(now: now)
        }
    }

    private func lookUp(until: MonotonicTime, now: MonotonicTime) -> Change? {
        switch lookUpAddresses() {
        case .pending:
            guard now >= until else { return nil }
            return failed("looking up \(settings.host) takes longer than \(settings.connectText)")
        case .failed(let reason): return failed(reason)
        case .found(let found):
            addresses = found[...]
            return tryNextAddress(until: until, now: now)
        }
    }

    /// Begins to connect to the next address. It gets an equal share of the time that is left, so
    /// that an address that never answers leaves time for the later ones.
    private func tryNextAddress(until: MonotonicTime, now: MonotonicTime) -> Change? {
        socket = nil
        while let address = addresses.popFirst() {
            do throws(ClientSocket.Failure) {
                socket = try ClientSocket(to: address)
                let share = max(0, until - now) / Int64(addresses.count + 1)
                state = .connecting(until: until, next: now + share)
                return nil
            } catch {
                refusal = "\(error.code)"
            }
        }
        return failed("\(name) cannot be reached: \(refusal): is TWS or IB Gateway running there?")
    }

    /// Checks whether the socket is connected now. If not, the next address is tried.
    private func finishAttempt(until: MonotonicTime, now: MonotonicTime) -> Change? {
        guard let code = socket?.connectFailure() else {
            state = .open
            return .connected
        }
        refusal = "\(code)"
        return tryNextAddress(until: until, now: now)
    }

    /// Gives up an address that does not answer. The next one is tried if there is time.
    private func skipAddress(until: MonotonicTime, now: MonotonicTime) -> Change? {
        guard now < until, !addresses.isEmpty else {
            return failed("\(name) did not answer within \(settings.connectText)")
        }
        return tryNextAddress(until: until, now: now)
    }

    private func failed(_ reason: String) -> Change {
        close()
        return .connectFailed(reason)
    }

    /// Closes the connection or ends the attempt. What was not sent is dropped.
    func close() {
        socket = nil
        addresses = []
        pending.removeAll()
        state = .closed
    }

    // MARK: bytes

    /// Reads what has arrived; without a connection nothing has.
    func read(into buffer: inout [UInt8]) -> ClientSocket.Read {
        guard isOpen, socket != nil else { return .nothing }
        return socket?.read(into: &buffer) ?? .nothing
    }

    /// Sends bytes, or keeps them until the peer reads. Without a connection they are dropped.
    func send(_ bytes: [UInt8], now: MonotonicTime) -> Change? {
        guard isOpen, !bytes.isEmpty else { return nil }
        guard pending.append(bytes, now: now) else {
            return .lost("\(name) does not read what it is sent")
        }
        return flush(now: now)
    }

    /// Sends what waits, as far as the socket accepts it.
    private func flush(now: MonotonicTime) -> Change? {
        while !pending.isEmpty {
            switch socket?.write(pending.bytes, from: pending.start) {
            case .bytes(0), nil: return stuck(now: now)
            case .bytes(let count): pending.noteSent(count, now: now)
            case .failed(let code): return .lost("\(name) takes nothing any more: \(code)")
            }
        }
        return nil
    }

    /// Returns a loss when the peer has accepted nothing for too long.
    private func stuck(now: MonotonicTime) -> Change? {
        guard now >= deadline else { return nil }
        return .lost("\(name) has read nothing for \(settings.sendText)")
    }
}
