import ServiceRuntime

/// A key of a vendor, a certificate, or a password of a server elsewhere: a stack got it with its
/// settings. Another one comes from the one who issues it, not from the tool.
struct IssuedKey: Equatable, Sendable {
    /// The setting without `_FILE`.
    let name: String
    /// Where it is, and how a new one gets to the services. A value is never shown.
    let summary: String

    /// The services read these once. All others are read again.
    private static let readOnce = "_TLS_CA"

    /// Fails for a setting that is neither a secret nor a certificate, and for an empty one.
    init?(_ setting: (key: String, value: String), _ catalogue: KeyCatalogue = .product) {
        let (key, value) = setting
        let fileEnd = "_FILE"
        guard !value.isEmpty else { return nil }
        if key.hasSuffix(fileEnd), catalogue.names.contains(String(key.dropLast(fileEnd.count))) {
            name = String(key.dropLast(fileEnd.count))
            summary = "write a new one into \(value): the next connection has it"
        } else if catalogue.names.contains(key + fileEnd) {
            name = key
            summary = "in the settings: with \(key)\(fileEnd)=… a new one needs no start"
        } else if key.hasSuffix(Self.readOnce) {
            name = key
            summary = "write a new one into \(value), then start the stack again"
        } else if key.contains("_TLS_") || key.hasSuffix("_CERTIFICATE") {
            name = key
            summary = "write a new one into \(value): new connections have it"
        } else {
            return nil
        }
    }

    static func all(of settings: StackSettings) -> [IssuedKey] {
        settings.values.compactMap { IssuedKey($0) }.sorted { $0.name < $1.name }
    }
}
