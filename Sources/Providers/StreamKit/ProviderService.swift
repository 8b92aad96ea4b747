package import EngineKit
package import MarketModel
package import Primitives
package import ProviderKit
package import ServiceRuntime

/// A service of the web as a provider: its settings, its key, what its engine's wishes mean, and
/// the words of its reports.
package protocol ProviderService: Sendable {
    associatedtype Wait: ProviderWait
    associatedtype Requests: ProviderRequests
    where Requests.Request: Sendable, Requests.Answer == Engine.Answer
    typealias Engine = Wait.Engine

    static var metrics: ProviderMetrics<Engine.Status>.Names { get }
    /// Whether its data cannot wait.
    static var isUrgent: Bool { get }

    /// The provider's name, also that of its thread.
    var name: String { get }
    /// The name of the thread's beat.
    var beat: String { get }
    /// What the metrics have beside the source.
    var labels: [(String, String)] { get }

    func makeEngine() -> Engine
    /// Makes what the thread waits on. It connects to nothing yet.
    func makeWait() throws -> sending Wait
    /// Makes what carries the requests, which calls `wake` when an answer waits; `nil`: none are
    /// made.
    func makeRequests(_ wake: @escaping @Sendable () -> Void) throws -> sending Requests?
    /// Returns what the engine is given of instruments to begin; `order`: those that the provider
    /// was started with, else `nil`.
    func begun(_ instruments: [BegunInstrument], _ order: ProviderOrder?) -> [Engine.Begun]
    /// Whether one kind of an instrument's data can begin again.
    func canRestart(_ kind: DataKind) -> Bool
    /// Returns what a wish means. It alone knows the key.
    func step(_ wish: Engine.Output.Wish) -> ProviderStep<Wait.Step, Requests.Request>
    /// Reports a note to the log.
    func report(_ note: Engine.Output.Note, to report: ProviderReport<Self>)
    /// Returns the event of something that a person may have to look at.
    func trouble(_ message: String, failures: Int) -> ServiceEvent
    /// Writes its members of the object in `/status`, and those of an instrument.
    func write(_ status: Engine.Status, into json: inout JSONWriter)
    func write(_ feed: ShownFeed, into json: inout JSONWriter)
}

/// What the loop does about a wish.
package enum ProviderStep<Link: Sendable, Request: Sendable>: Sendable {
    /// A step on the connections.
    case link(Link)
    /// A request with the engine's number.
    case ask(UInt64, Request)
}

extension ProviderService {
    package static var isUrgent: Bool { true }
    package var beat: String { name }
    package var labels: [(String, String)] { [] }

    package func canRestart(_ kind: DataKind) -> Bool { false }

    package func write(_ feed: ShownFeed, into json: inout JSONWriter) {
        feed.write(as: "symbol", into: &json)
    }
}

extension ShownFeed {
    /// Writes what each instrument has; `member`: what its name is called.
    package func write(as member: String, into json: inout JSONWriter) {
        json.member(member, name)
        json.member("state", "\(state)")
        json.member("reason", reason)
    }
}

extension ProviderService where Engine.Begun == BegunInstrument {
    package func begun(
        _ instruments: [BegunInstrument], _ order: ProviderOrder?
    ) -> [BegunInstrument] { instruments }
}
