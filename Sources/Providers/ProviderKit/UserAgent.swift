internal import Primitives
package import ServiceRuntime

/// What providers call themselves in requests and connections to services of the web. Some services
/// answer nobody who does not.
package enum UserAgent {
    /// The gateway's setting.
    private static let key = "GATEWAY_USER_AGENT"

    /// A longer one is refused.
    private static let bytesMax = 200

    /// Says what is wrong with the setting.
    package static let rule = ConfigurationRule(reads: [key]) { configuration in
        let text = text(configuration)
        return text.utf8.count <= bytesMax && text.isHeaderValue
            ? nil
            : "\(key): at most \(bytesMax) bytes of ASCII are sent, without spaces around them"
    }

    /// Returns what is sent.
    package static func text(_ configuration: Configuration) -> String {
        let given = configuration.optionalText(key) ?? ""
        return given.isEmpty ? "tapeline/\(ProductVersion.text)" : given
    }
}
