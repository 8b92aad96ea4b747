/// What a person can do when a server refuses by a status of HTTP.
package enum HTTPAdvice {
    private static let slower = "too many requests: wait, and ask less often"
    private static let address = "check the address in the settings"
    private static let texts = [
        400: "check the symbol and the settings",
        422: "check the symbol and the settings",
        401: "check the key",
        403: "check the key's rights, a proxy between, and GATEWAY_USER_AGENT",
        404: address,
        410: address,
        418: "this address is banned for a while: wait, and ask less often",
        423: slower,
        429: slower,
        451: "it does not serve this country: set another address, or take another provider",
    ]

    package static func text(_ status: Int) -> String {
        status >= 500 ? "it has trouble of its own: wait" : texts[status] ?? address
    }
}
