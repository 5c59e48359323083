"""x"""
from typing import Any
from django.core.management.base import BaseCommand
from mes.supervisor.stack import running_stack
from mes.demo import people, case
from mes.demo.dataset import demo_images
from mes.demo.teller import Teller
from django.conf import settings


class Command(BaseCommand):
    def add_arguments(self, parser):
        parser.add_argument("--port", type=int, default=8000)
        parser.add_argument("--exit", action="store_true")
    def handle(self, **o: Any) -> None:
        t = Teller()
        with running_stack(port=o["port"], quiet=True) as stack:
            t.say("up")
            images = demo_images(settings.CACHE_DIR, t.say)
            people.enrol()
            case.publish_definitions(t)
            c = case.place_order(t, case.TRAINING)
            case.send_images(t, c, images); case.approve_bone(t, c); case.freeze_design(t, c)
            print(c.refresh().stage, t.seconds)
            c2 = case.place_order(t, case.CLINICAL); case.send_images(t, c2, images)
            import time; time.sleep(3)
            from mes.selectors import events_of
            for e in events_of(c2.device): print(e.type, e.payload[:600])
