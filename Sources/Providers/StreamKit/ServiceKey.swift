package import EngineKit
internal import Primitives
package import ServiceRuntime

/// Keys of a service, as their files have them. Nothing prints them.
package struct ServiceKey: Sendable, CustomStringConvertible, CustomReflectable {
    private let texts: [String]
    /// The same, where they may have successors.
    private let renewable: [RenewableSecret?]

    /// The key that a setting names, or a key and its secret. One that is not set is empty.
    package init(_ configuration: Configuration, _ names: String...) {
        texts = names.map { configuration.secret($0)?.revealed ?? "" }
        renewable = names.map { configuration.renewable($0, taking: ProviderKeys.isSecret) }
    }

    /// Returns the present one of a name, by its place.
    package subscript(place: Int) -> String { renewable[place]?.value ?? texts[place] }

    /// Reads the files again: before a connection is authenticated, and when the service refuses.
    package func renew() {
        for case let secret? in renewable { _ = secret.renew(refused: secret.value) }
    }

    /// What no reason may have.
    package var hidden: HiddenTexts {
        HiddenTexts(texts, renewable: renewable.compactMap(\.self))
    }

    package var description: String { "<redacted>" }
    package var customMirror: Mirror { Mirror(self, children: [:]) }
}
