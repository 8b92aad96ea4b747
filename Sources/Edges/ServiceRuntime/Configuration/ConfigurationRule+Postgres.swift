extension ConfigurationRule {
    /// Checks that the certificates for PostgreSQL exist and that the TLS mode uses them. libpq
    /// itself reads the file only at each connect, and in some modes not at all.
    public static let postgresTLS = ConfigurationRule(
        reads: ["POSTGRES_SSLMODE", "POSTGRES_SSLROOTCERT"]
    ) { configuration in
        let mode = configuration.text("POSTGRES_SSLMODE")
        let path = configuration.optionalText("POSTGRES_SSLROOTCERT") ?? ""
        guard !path.isEmpty else {
            guard mode == "verify-full" else { return nil }
            return "POSTGRES_SSLMODE=verify-full needs POSTGRES_SSLROOTCERT: the file of the "
                + "certificates (PEM) that may sign the server's"
        }
        guard mode == "verify-full" || mode == "require" else {
            return "POSTGRES_SSLROOTCERT is not looked at with POSTGRES_SSLMODE=\(mode): "
                + "set it to verify-full, or give no certificates"
        }
        switch ConfigurationFiles.read(path, certificatesBytesMax) {
        case .failure(let failure):
            return "POSTGRES_SSLROOTCERT: \(path) \(failure.description)"
        case .success(let content):
            let text = String(decoding: content.bytes, as: UTF8.self)
            guard !text.contains("-----BEGIN CERTIFICATE-----") else { return nil }
            return "POSTGRES_SSLROOTCERT: \(path) holds no certificate: it has to be a file of "
                + "certificates in PEM"
        }
    }

    /// More than the authorities of a complete operating system need.
    private static let certificatesBytesMax = 4 * 1_024 * 1_024
}
