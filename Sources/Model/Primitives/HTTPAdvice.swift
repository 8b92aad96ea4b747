/// What a person can do when a server refuses by a status of HTTP.
package enum HTTPAdvice {
    package static func text(_ status: Int) -> String {
        switch status {
        case 400, 422: "check the symbol and the settings"
        case 401: "check the key"
        case 403: "check the key's rights, a proxy between, and GATEWAY_USER_AGENT"
        case 404, 410: "check the address in the settings"
        case 418: "this address is banned for a while: wait, and ask less often"
        case 423, 429: "too many requests: wait, and ask less often"
        case 451: "it does not serve this country: set another address, or take another provider"
        case 500...: "it has trouble of its own: wait"
        default: "check the address in the settings"
        }
    }
}
