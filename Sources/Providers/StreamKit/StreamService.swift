package import EngineKit
package import HistoryKit
package import ServiceRuntime
package import WebSocketClient

/// The provider of a service whose engine is a `StreamVenue`: its addresses, its key and its words.
package protocol StreamService: ProviderService
where
    Wait.Engine: StreamVenue, Wait.Step == WebSocketStep,
    Requests == HTTPRequests<StreamFetch, StreamAnswer>
{
    static var words: StreamWords { get }
    /// What authenticates a connection.
    var authentication: String { get }

    /// Returns where the connection of a link goes to.
    func address(of link: Int) -> WebSocketURL
}

/// What the log says of a service in its own words.
package struct StreamWords: Sendable {
    /// The service's name.
    let title: String
    /// The names of the events.
    let events: (state: String, trouble: String, skipped: String)
    /// What does not come without the connection of each link.
    let links: [String]
    /// What may be refused beside the key, and the settings to check then.
    let account: (plan: String, settings: String)

    package init(
        _ title: String, events: (state: String, trouble: String, skipped: String),
        links: [String], account: (plan: String, settings: String)
    ) {
        self.title = title
        self.events = events
        self.links = links
        self.account = account
    }

    func text(of state: StreamState) -> String {
        switch state {
        case .closed: "not connected to \(title)"
        case .connecting: "connecting to \(title)"
        case .ready: "connected to \(title)"
        case .refused: "\(title) refuses the account"
        case .occupied: "another session of the account is connected to \(title), or was cut off"
        }
    }
}

extension StreamService {
    package func step(_ wish: StreamWish) -> ProviderStep<WebSocketStep, StreamFetch> {
        switch wish {
        case .open(let number, let link): .link(.open(number, address(of: link)))
        case .authenticate(let number): .link(.send(number, authentication))
        case .send(let number, let text): .link(.send(number, text))
        case .close(let number): .link(.close(number))
        case .fetch(let fetch): .ask(fetch.number, fetch)
        }
    }

    package func report(_ note: StreamNote, to report: ProviderReport<Self>) {
        let words = Self.words
        switch note {
        case .state(let state):
            report.telemetry.emit(
                ServiceEvent(
                    .info, words.events.state, words.text(of: state),
                    ("state", .text(state.rawValue))))
        case .lost(let link, let failures, let reason):
            report.trouble(
                "no \(words.links[link]), tried again by itself: \(reason)", failures: failures)
        case .refusedAccount(let reason):
            report.showSoon()
            report.trouble(
                "the key or the \(words.account.plan) is not taken, tried again each minute: "
                    + "\(reason); check \(words.account.settings)")
        case .refusedRequest(let reason): report.trouble("a request is refused: \(reason)")
        case .refused(let instrument, let reason):
            report.showSoon()
            report.trouble("\(report.symbol(instrument)): \(reason)")
        case .trouble(let instrument, let text):
            report.trouble(instrument.map { "\(report.symbol($0)): \(text)" } ?? text)
        case .skipped(let reason):
            report.skipped(words.events.skipped, by: words.title, reason.rawValue)
        }
    }

    package func trouble(_ message: String, failures: Int) -> ServiceEvent {
        .providerTrouble(Self.words.events.trouble, message, failures: failures)
    }
}
