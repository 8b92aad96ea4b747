package import EngineKit
package import MarketModel
internal import Primitives
package import ProviderKit
package import WebSocketClient

/// A step on connections, which have the engine's numbers.
package enum WebSocketStep: Sendable {
    case open(UInt32, WebSocketURL)
    /// The text may be a key: it is in no log.
    case send(UInt32, String)
    case close(UInt32)
}

/// The wait of a provider with WebSockets. Names are looked up on threads of their own, so that a
/// look-up that hangs holds up no other connection.
package final class WebSocketWait<Engine: StreamEngine>: ProviderWait {
    package static var longest: Int64 { 50_000_000 }
    package static var pause: Duration { .milliseconds(2) }

    /// A connection that is not open yet.
    private struct Attempt {
        let url: WebSocketURL
        let lookup: NameLookup
        /// When the look-up takes too long.
        let until: MonotonicTime
        /// The addresses that were not tried; `nil`: they are not known yet.
        var addresses: ArraySlice<RemoteAddress>?
    }

    /// A name, of the server or of the proxy.
    private struct Name: Hashable {
        let host: String
        let port: UInt16
    }

    /// The settings name one or two. Beyond it all are forgotten.
    private let lookupsMax = 8

    package let wake: @Sendable () -> Void
    private let client: WebSocketClient
    private let connectTimeout: Duration
    private let connectionsMax: Int
    private let resolve: NameLookup.Resolving
    private var connections: NumberedConnections
    private var attempts: [UInt32: Attempt] = [:]
    private var lookups: [Name: NameLookup] = [:]

    /// `resolve` looks names up, on another thread.
    package init(
        _ configuration: WebSocketConfiguration,
        resolve: @escaping NameLookup.Resolving = RemoteAddress.named
    ) throws(WebSocketError) {
        client = try WebSocketClient(configuration)
        connectTimeout = configuration.connectTimeout
        connectionsMax = configuration.connectionsMax
        self.resolve = resolve
        connections = NumberedConnections(client)
        let waker = client.waker
        wake = { waker.wake() }
    }

    package func wait(_ time: Duration) { client.work(for: time) }

    package func take(
        into engine: inout Engine, _ now: Moment, _ out: inout Engine.Output
    ) -> UInt64 {
        let count = UInt64(client.waitingBytes)
        var others: [(number: UInt32, error: WebSocketError)] = []
        connections.take { number, event, bytes in
            switch event {
            case .opened:
                attempts[number] = nil
                engine.opened(number, now, into: &out)
            case .message(let isText):
                engine.received(bytes, isText: isText, on: number, now, into: &out)
            case .ended(let error):
                if case .connect = error, attempts[number]?.addresses?.isEmpty == false {
                    others.append((number, error))
                } else {
                    attempts[number] = nil
                    engine.ended(number, "\(error)", now, into: &out)
                }
            }
        }
        for (number, error) in others { goOn(number, after: error, for: &engine, now, &out) }
        lookUp(for: &engine, now, &out)
        return count
    }

    package func carryOut(
        _ step: WebSocketStep, for engine: inout Engine, _ now: Moment,
        _ out: inout Engine.Output
    ) {
        switch step {
        case .open(let number, let url):
            guard attempts.count < connectionsMax else {
                let error = WebSocketError.tooMany(connectionsMax: connectionsMax)
                return engine.ended(number, "\(error)", now, into: &out)
            }
            attempts[number] = Attempt(
                url: url, lookup: lookup(of: url),
                until: now.monotonic + connectTimeout.clampedNanoseconds)
            lookUp(for: &engine, now, &out)
        case .send(let number, let text):
            guard !connections.send(text, on: number) else { return }
            engine.ended(number, "a request could not be sent", now, into: &out)
        case .close(let number):
            attempts[number] = nil
            connections.close(number)
        }
    }

    package func end() { connections.closeAll() }

    // MARK: names

    private func lookup(of url: WebSocketURL) -> NameLookup {
        let (host, port) = client.asked(for: url)
        let name = Name(host: host, port: port)
        if let known = lookups[name] { return known }
        if lookups.count >= lookupsMax { lookups = [:] }
        let made = NameLookup(host: host, port: port, resolve: resolve, wake: wake)
        lookups[name] = made
        return made
    }

    /// Goes on with the attempts whose addresses are not known.
    private func lookUp(
        for engine: inout Engine, _ now: Moment, _ out: inout Engine.Output
    ) {
        for (number, attempt) in attempts where attempt.addresses == nil {
            let found: [RemoteAddress]
            var reason = "no address"
            switch attempt.lookup.ask() {
            case .pending:
                guard now.monotonic >= attempt.until else { continue }
                let name = client.asked(for: attempt.url).host
                (found, reason) = ([], "the look-up of \(name) takes longer than \(connectTimeout)")
            case .failed(let why): (found, reason) = ([], why)
            case .found(let addresses): found = addresses
            }
            attempts[number]?.addresses = found[...]
            let error = WebSocketError.connect(peer: attempt.url.peer, reason: reason)
            goOn(number, after: error, for: &engine, now, &out)
        }
    }

    /// Tries the next address of an attempt, which ends when none is left.
    private func goOn(
        _ number: UInt32, after error: WebSocketError, for engine: inout Engine, _ now: Moment,
        _ out: inout Engine.Output
    ) {
        guard let attempt = attempts[number] else { return }
        var last = error
        while let address = attempts[number]?.addresses?.popFirst() {
            do throws(WebSocketError) {
                return try connections.open(attempt.url, at: address.text, as: number)
            } catch {
                last = error
            }
        }
        attempts[number] = nil
        engine.ended(number, "\(last)", now, into: &out)
    }
}
