extension WebCertificate {
    /// Reads the certificate and the key whose files two settings name. `nil`: neither is set.
    package static func named(
        _ certificate: String, _ key: String, in configuration: Configuration
    ) throws(SettingsError) -> WebCertificate? {
        let keys = [certificate, key]
        let paths = keys.compactMap { configuration.optionalText($0) }
        guard !paths.isEmpty else { return nil }
        guard paths.count == 2 else {
            throw SettingsError("\(certificate) and \(key) belong together: set both, or neither")
        }
        var contents: [[UInt8]] = []
        for (key, path) in zip(keys, paths) {
            switch ConfigurationFiles.read(path, fileBytesMax) {
            case .success(let content): contents.append(content.bytes)
            case .failure(let problem): throw SettingsError("\(key): \(path) \(problem)")
            }
        }
        guard let made = WebCertificate(certificate: contents[0], key: contents[1]) else {
            throw SettingsError(
                "\(certificate), \(key): \(paths[0]) and \(paths[1]) cannot be used: they have to "
                    + "be a certificate and its key in PEM, without a password")
        }
        return made
    }

    /// That of the operations port.
    static func ofOperations(
        _ configuration: Configuration
    ) throws(SettingsError) -> WebCertificate? {
        try named(
            ConfigurationKey.operationsCertificate, ConfigurationKey.operationsKey,
            in: configuration)
    }
}

extension ConfigurationRule {
    /// A service finds what is wrong with its files before it begins. A subcommand has no port.
    static let operationsCertificate = ConfigurationRule.of(
        reads: [ConfigurationKey.operationsCertificate, ConfigurationKey.operationsKey]
    ) { if $0.subcommand == nil { _ = try WebCertificate.ofOperations($0) } }
}
