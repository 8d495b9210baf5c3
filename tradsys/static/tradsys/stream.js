// One WebSocket per page. A gap in a channel's numbers, or a dropped line, means: subscribe again, take a snapshot.
(function () {
  "use strict";

  class Stream {
    constructor(path) {
      this.url = (window.location.protocol === "https:" ? "wss://" : "ws://") + window.location.host + path;
      this.channels = new Map();
      this.wait = 500;
      this.open();
    }

    open() {
      this.socket = new WebSocket(this.url);
      this.socket.addEventListener("open", () => {
        this.wait = 500;
        document.documentElement.dataset.live = "on";
        document.dispatchEvent(new CustomEvent("tradsys:live", { detail: true }));
        for (const channel of this.channels.keys()) {
          this.ask("subscribe", channel);
        }
      });
      this.socket.addEventListener("message", (event) => this.take(JSON.parse(event.data)));
      this.socket.addEventListener("close", () => {
        document.documentElement.dataset.live = "off";
        document.dispatchEvent(new CustomEvent("tradsys:live", { detail: false }));
        window.setTimeout(() => this.open(), this.wait);
        this.wait = Math.min(this.wait * 2, 8000);
      });
    }

    ask(op, channel) {
      if (this.socket.readyState === WebSocket.OPEN) {
        this.socket.send(JSON.stringify({ op: op, channel: channel }));
      }
    }

    subscribe(channel, handler) {
      this.channels.set(channel, { handler: handler, sequence: null });
      this.ask("subscribe", channel);
    }

    unsubscribe(channel) {
      if (this.channels.delete(channel)) {
        this.ask("unsubscribe", channel);
      }
    }

    take(message) {
      const entry = this.channels.get(message.channel);
      if (!entry || message.type === "error") {
        return;
      }
      if (message.type === "update" && entry.sequence !== null && message.seq > entry.sequence + 1) {
        entry.sequence = null;
        this.ask("subscribe", message.channel);
        return;
      }
      entry.sequence = message.seq;
      entry.handler(message.data, message.type);
    }
  }

  window.TradSysStream = Stream;
})();
