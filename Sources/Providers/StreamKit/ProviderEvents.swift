package import ServiceRuntime

extension ServiceEvent {
    /// Something that a person may have to look at. `failures`: those in a row; 0: it is none.
    package static func providerTrouble(
        _ name: String, _ message: String, failures: Int, _ fields: (String, LogValue)...
    ) -> Self {
        Self(
            .warning, name, message,
            fields: fields + (failures > 0 ? [("failures", LogValue(failures))] : []))
    }
}
