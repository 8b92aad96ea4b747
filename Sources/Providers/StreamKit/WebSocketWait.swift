package import EngineKit
package import MarketModel
package import WebSocketClient

/// A step on connections, which have the engine's numbers.
package enum WebSocketStep: Sendable {
    case open(UInt32, WebSocketURL)
    /// The text may be a key: it is in no log.
    case send(UInt32, String)
    case close(UInt32)
}

/// The wait of a provider with WebSockets.
package final class WebSocketWait<Engine: StreamEngine>: ProviderWait {
    package static var longest: Int64 { 50_000_000 }
    package static var pause: Duration { .milliseconds(2) }

    package let wake: @Sendable () -> Void
    private let client: WebSocketClient
    private var connections: NumberedConnections

    package init(_ configuration: WebSocketConfiguration) throws(WebSocketError) {
        client = try WebSocketClient(configuration)
        connections = NumberedConnections(client)
        let waker = client.waker
        wake = { waker.wake() }
    }

    package func wait(_ time: Duration) { client.work(for: time) }

    package func take(
        into engine: inout Engine, _ now: Moment, _ out: inout Engine.Output
    ) -> UInt64 {
        let count = UInt64(client.waitingBytes)
        connections.take { number, event, bytes in
            switch event {
            case .opened: engine.opened(number, now, into: &out)
            case .message(let isText):
                engine.received(bytes, isText: isText, on: number, now, into: &out)
            case .ended(let error): engine.ended(number, "\(error)", now, into: &out)
            }
        }
        return count
    }

    package func carryOut(
        _ step: WebSocketStep, for engine: inout Engine, _ now: Moment,
        _ out: inout Engine.Output
    ) {
        switch step {
        case .open(let number, let address):
            do throws(WebSocketError) {
                try connections.open(address, as: number)
            } catch {
                engine.ended(number, "\(error)", now, into: &out)
            }
        case .send(let number, let text):
            guard !connections.send(text, on: number) else { return }
            engine.ended(number, "a request could not be sent", now, into: &out)
        case .close(let number): connections.close(number)
        }
    }

    package func end() { connections.closeAll() }
}
