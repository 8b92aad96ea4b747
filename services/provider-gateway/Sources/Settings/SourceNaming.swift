import MarketModel
import ProviderKit
import ServiceRuntime

extension GatewaySettings {
    /// Returns a warning for a source that is named after a provider whose data it does not have,
    /// else `nil`. Recordings keep the names of their sources.
    func foreignName(_ kinds: [ProviderKind]) -> ServiceEvent? {
        let own = delivery.kinds.map(\.name)
        guard !delivery.kinds.contains(where: \.isRecorded), !own.contains(source.text),
            kinds.contains(where: { $0.name == source.text })
        else { return nil }
        return .sourceNamedAfterOther(source: source, providers: own)
    }
}

extension ServiceEvent {
    /// A warning, not an error: the name was configured explicitly, and a tape has to continue
    /// under the name with which it began.
    fileprivate static func sourceNamedAfterOther(source: SourceName, providers: [String]) -> Self {
        Self(
            .warning, "gateway.source_name",
            "what \(providers.joined(separator: ", ")) delivers goes onto the tape as source "
                + "\(source), among all that stands there of that name: leave GATEWAY_SOURCE "
                + "empty, unless this tape was begun so",
            ("source", .text(source.text)), ("provider", .text(providers.joined(separator: ","))))
    }
}
