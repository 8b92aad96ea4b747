import ServiceRuntime

/// What a browser gives when somebody signs in, and what it has of the session afterwards.
enum SignIn {
    /// The header with the browser's secret.
    static let keyHeader = "x-cockpit-key"
    /// The most cookies of one name that are looked at.
    private static let cookiesMax = 32
    private static let keyBytes = 32...128

    /// Reads `name=...&name=...` as a form sends it. Empty if it is none, or has a name twice.
    static func form(_ body: [UInt8]) -> [String: String] {
        var values: [String: String] = [:]
        for field in body.split(separator: UInt8(ascii: "&"), omittingEmptySubsequences: false) {
            let parts = field.split(
                separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2, let name = decoded(parts[0]), let value = decoded(parts[1]),
                values.updateValue(value, forKey: name) == nil
            else { return [:] }
        }
        return values
    }

    private static func decoded(_ bytes: ArraySlice<UInt8>) -> String? {
        var found: [UInt8] = []
        var rest = bytes
        while let byte = rest.popFirst() {
            switch byte {
            case UInt8(ascii: "+"): found.append(UInt8(ascii: " "))
            case UInt8(ascii: "%"):
                let digits = String(decoding: rest.prefix(2), as: UTF8.self)
                guard digits.utf8.count == 2, let value = UInt8(digits, radix: 16) else {
                    return nil
                }
                found.append(value)
                rest = rest.dropFirst(2)
            case _: found.append(byte)
            }
        }
        return String(decoding: found, as: UTF8.self)
    }

    /// Returns the browser's secret of a form. Empty: it gave none that nobody guesses.
    static func key(in form: [String: String]) -> String {
        let key = form["key"] ?? ""
        return keyBytes.contains(key.utf8.count) ? key : ""
    }

    /// Returns the cookie's name. By TLS a browser takes one with such a beginning from nobody who
    /// could not have sent it by TLS; with `__Host-` also from no sibling of the host.
    static func cookie(byTLS: Bool, path: String) -> String {
        let name = "tapeline_cockpit"
        return byTLS ? (path.isEmpty ? "__Host-\(name)" : "__Secure-\(name)") : name
    }

    /// Returns the values of all cookies with this name.
    static func ids(in cookies: String?, named name: String) -> [String] {
        let pairs = (cookies ?? "").split(separator: ";").map {
            $0.split(separator: "=", maxSplits: 1).map { part in part.filter { $0 != " " } }
        }
        let ids = pairs.filter { $0.count == 2 && $0[0] == name }.map { $0[1] }
        return Array(ids.prefix(cookiesMax))
    }
}
