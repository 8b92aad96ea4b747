package import EngineKit
package import HTTPClient
package import HistoryKit
package import Primitives
package import ServiceRuntime
package import WebSocketClient

/// A service that streams over WebSockets, with the settings of its provider.
package protocol StreamService: Sendable {
    associatedtype Engine: StreamEngine
    associatedtype Trouble: StreamTrouble

    /// The provider's name, also that of its thread.
    static var name: String { get }
    static var metrics: StreamMetrics<Engine.Status>.Names { get }

    var client: WebSocketConfiguration { get }
    /// How requests are made; `nil`: none are.
    var requests: HTTPConfiguration? { get }
    var meaning: HTTPMeaning { get }

    func makeEngine() -> Engine
    /// Returns what a wish means on the connections. It alone knows the key.
    func step(_ wish: Engine.Wish) -> StreamStep
    /// Reports a note to the log.
    static func report(_ note: Engine.Note, to report: StreamReport<Self>)
    /// Writes its members of the object in `/status`.
    func write(_ status: Engine.Status, into json: inout JSONWriter)
}

extension StreamService {
    package var requests: HTTPConfiguration? { nil }
    package var meaning: HTTPMeaning {
        HTTPMeaning(Self.name, advice: "check the key", hidden: HiddenTexts())
    }
}

/// What the loop does on the connections, which have the engine's numbers.
package enum StreamStep: Sendable {
    case open(UInt32, WebSocketURL)
    /// The text may be a key: it is in no log.
    case send(UInt32, String)
    case close(UInt32)
    /// A request with the engine's number; `nil`: its address cannot be written.
    case ask(UInt64, HTTPRequest?)
}

/// Something that a person may have to look at.
package protocol StreamTrouble: TelemetryEvent {
    init(message: String, failures: Int)
}
