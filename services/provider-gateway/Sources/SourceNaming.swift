import MarketModel
import ProviderKit
import ServiceRuntime

extension GatewaySettings {
    /// What to tell of a source that is called like a provider whose data it does not have; nil:
    /// nothing. Recordings keep the names of their sources.
    func foreignName(_ kinds: [ProviderKind]) -> SourceNamedAfterOther? {
        let providers = delivery?.kinds ?? []
        let own = delivery == nil ? ["synthetic"] : providers.map(\.name)
        guard !providers.contains(where: \.isRecorded), !own.contains(source.text),
            source.text == "synthetic" || kinds.contains(where: { $0.name == source.text })
        else { return nil }
        return SourceNamedAfterOther(source: source, providers: own)
    }
}

/// Somebody has said so: a tape goes on as it was begun.
struct SourceNamedAfterOther: TelemetryEvent, Equatable {
    static let name = "gateway.source_name"
    let source: SourceName
    let providers: [String]

    var level: LogLevel { .warning }
    var message: String {
        "what \(providers.joined(separator: ", ")) delivers goes onto the tape as source "
            + "\(source), among all that stands there of that name: leave GATEWAY_SOURCE empty, "
            + "unless this tape was begun so"
    }
    var fields: [(String, LogValue)] {
        [
            ("source", .text(source.text)),
            ("provider", .text(providers.joined(separator: ","))),
        ]
    }
}
